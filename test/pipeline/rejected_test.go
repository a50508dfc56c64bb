package pipeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestRejectedPointsAfterARestart: Prometheus rejects a request as a whole for one revised or too old point in it. All other
// groups are stored nevertheless, with the first and only scrape.
func TestRejectedPointsAfterARestart(t *testing.T) {
	const single = harness.Once + `    stale_after: 3h
    max_backfill: 3h
`
	eachBackend(t, func(t *testing.T, r *rig) {
		at := time.Now().Add(-time.Minute).Truncate(time.Second)
		r.cms.Publish("i", "revised", at, 1)
		collector := r.start(single)
		r.awaitGroups(1)
		collector.Stop()

		// CloudMonitor has another value now, and groups that were not there before.
		const others = 40
		r.cms = harness.StartCMS(t, cmssim.Scenario{})
		r.cms.Publish("i", "revised", at, 2)
		r.cms.Publish("i", "too_old", at.Add(-100*time.Minute), 3)
		for i := range others {
			r.cms.Publish("i", fmt.Sprintf("other_%02d", i), at.Add(time.Duration(i)*time.Second), float64(i))
		}
		collector = r.start(single)
		r.awaitGroups(1 + others)
		assert.InDelta(t, 1, r.prometheus.Scalar(metric+`{consumer_group="revised"}`), 0, "what is stored stays")
		assert.InDelta(t, 2, collector.Telemetry("points_dropped", `reason="rejected"`), 0)
		assert.Equal(t, 1, collector.CountLog("error", "Dropped points that the pipeline rejected permanently",
			"i/revised at "+at.UTC().Format(time.RFC3339), "i/too_old at ", `"number": 2`), collector.Log())
		assert.Zero(t, collector.CountLog("Dropped points that the pipeline rejected permanently", "other_"))
	})
}
