package pipeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// quick lets a series disappear when it has no point for 15 s.
const quick = harness.Quick + "    stale_after: 15s\n"

func TestStory(t *testing.T) {
	eachBackend(t, func(_ *testing.T, r *rig) { r.story() })
}

// story is what a production week has in it: a restart, an outage of CloudMonitor, a
// backend that rejects everything, a group that disappears and appears again.
func (r *rig) story() {
	r.t.Helper()
	collector := r.start(quick)
	r.expect(3, "a", "b")
	r.check()

	collector.Stop()
	r.publishAt("a", time.Now().Add(-time.Millisecond), 1e6) // a restart sends nothing older than the newest point
	r.want["a"] = append(r.want["a"], r.publish("a", 2e6))
	r.want["b"] = append(r.want["b"], r.publish("b", 0))
	collector = r.start(quick)
	r.expect(2, "a", "b")
	r.check()

	r.cms.Fail(cmssim.FaultInternalError)
	r.expect(4, "a", "b")
	r.cms.ClearFaults()
	r.check()

	r.reject()
	r.expect(3, "a", "b")
	r.acceptAgain()
	r.check()
	assert.Equal(r.t, 1, collector.CountLog("The pipeline rejected points permanently"), "logged once")

	// b disappears: its series is gone while its last sample is far younger than the lookback.
	require.Equal(r.t, 1, r.current("b"))
	last := r.want["b"][len(r.want["b"])-1].Timestamp
	harness.Eventually(r.t, func() bool {
		r.expect(1, "a")
		return r.current("b") == 0
	}, "the series that went stale is gone")
	assert.Less(r.t, time.Since(time.UnixMilli(last)), time.Minute)
	assert.Equal(r.t, 1, r.current("a"))

	r.expect(1, "a", "b")
	r.check()
	assert.Equal(r.t, 1, r.current("b"), "it may appear again")
	r.checkNothingRejected()
}
