package pipeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestRestart: with storage nothing is lost and nothing is sent twice, without only the newest point of the downtime is sent.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with storage", "without storage"} {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, r *rig) {
				stored, overrides := name == "with storage", harness.Quick
				if stored {
					overrides += harness.FileStorage(t.TempDir())
				}
				collector := r.start(overrides)
				r.expect(2, "a", "b")
				r.check()
				collector.Stop()
				stopped := time.Now()

				var downtime []harness.Sample
				for i := range 5 {
					at := stopped.Add(time.Duration(i) * time.Millisecond)
					downtime = append(downtime, r.publishAt("a", at, float64(100+i)))
				}
				if !stored {
					downtime = downtime[4:]
				}
				r.want["a"] = append(r.want["a"], downtime...)
				collector = r.start(overrides)
				r.check()
				collector.AwaitScrapes(2)
				if stored {
					// Prometheus would accept the same sample once more, without a word.
					assert.InDelta(t, len(downtime), collector.Telemetry("points_emitted"), 0)
				}
				r.expect(2, "a", "b")
				r.check()
				r.checkNothingRejected()
			})
		})
	}
}
