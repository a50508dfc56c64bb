package kafkalagremediationexporter

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// TestGroupsAfterARestart: of two groups of a target, the one that is well arrives first. The episode goes on.
func TestGroupsAfterARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders := w.cluster.add("orders")
		const yaml = "dry_run: false\ntargets: [{group_regexp: '^g.$', namespace: shop, deployment: orders}]"
		before := w.process(yaml)
		before.lag(low, "g1")
		before.lag(high, "g2")
		before.passes()
		require.Equal(t, 1, orders.workload.remembered(t).Stage)

		p := w.process(yaml)
		w.at(10)
		p.lag(low, "g1")
		p.passes()
		assert.Equal(t, 1, orders.workload.remembered(t).Stage)
		p.lag(high, "g2")
		p.passes()
		w.at(11)
		p.passes()
		assert.Equal(t, 2, orders.workload.remembered(t).Stage)
		assert.Equal(t, []ladder.Reason{ladder.Acted}, p.news())
	})
}

var notAllowed = apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "orders", errors.New("no"))

// TestRecordsCannotBeWritten: what was delivered is not sent again, and the API server is not asked at each pass.
func TestRecordsCannotBeWritten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention+"stages: [restart]")
		w.cluster.forbidden = notAllowed
		for minute := 0; minute <= 30; minute += 10 {
			w.at(minute)
			p.lag(high, "orders")
			p.passes()
		}
		assert.Equal(t, []ladder.Reason{ladder.Acted}, p.news())
		reads := w.cluster.reads
		p.passes()
		assert.Equal(t, reads, w.cluster.reads)
		assert.Len(t, orders.workload.remembered(t).Unsent, 1)

		w.cluster.forbidden = nil
		w.at(31)
		p.pass()
		assert.Empty(t, orders.workload.remembered(t).Unsent)
	})
}

// TestCopyIsTriedAgain: the copy on the workload of what was done to the autoscaler is written at the next check.
func TestCopyIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention+"stages: [{scale_up: {replicas: 2}}]")
		orders.autoscaler, orders.maximum = &fakeObject{value: 1}, 9
		synctest.Wait()                  // until the notifier runs
		p.runner.notifier.channels = nil // so that nothing else writes the record
		w.cluster.forbidden = notAllowed
		p.lag(high, "orders")
		p.passes()
		assert.Empty(t, orders.workload.record)

		w.cluster.forbidden = nil
		w.at(10)
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, 1, orders.workload.remembered(t).Stage)
	})
}

// TestSwitchedOffIsNotWritten: not even to mark what people were told before.
func TestSwitchedOffIsNotWritten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		p.lag(high, "orders")
		p.pass()
		p.pass()
		assert.Equal(t, []string{"restart orders"}, w.cluster.written())
		orders.off = "its annotation says so"
		p.pass()
		assert.Empty(t, w.cluster.written())
		orders.off = ""
		w.at(1)
		p.pass()
		assert.Equal(t, []string{"record orders"}, w.cluster.written())
	})
}

// TestMarkingIsTriedAgain: what changed in between is read again.
func TestMarkingIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		p.lag(high, "orders")
		p.pass()
		p.pass()
		require.Len(t, orders.workload.remembered(t).Unsent, 1)
		w.cluster.beforeWrite = func() {
			w.cluster.beforeWrite = nil
			orders.workload.version++
		}
		p.pass()
		assert.Empty(t, orders.workload.remembered(t).Unsent)
	})
}

// TestMarkingWithoutRecord: a workload that is gone, or is another one now, has no record to mark.
func TestMarkingWithoutRecord(t *testing.T) {
	for name, change := range map[string]func(*fakeCluster){
		"gone":    func(f *fakeCluster) { delete(f.targets, deployment("orders")) },
		"another": func(f *fakeCluster) { f.add("orders").uid = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.cluster.add("orders")
				p := w.process(byConvention)
				p.lag(high, "orders")
				p.pass()
				p.pass()
				w.cluster.written()
				change(w.cluster)
				p.pass()
				assert.Empty(t, w.cluster.written())
				assert.Empty(t, p.runner.notifier.pending)
			})
		})
	}
}

// TestAnotherDeliversIt: what another process delivered and marked is not kept, nor sent again.
func TestAnotherDeliversIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p, other := w.process(byConvention+"stages: [restart]"), w.process(byConvention+"stages: [restart]")
		p.telling = errors.New("away")
		p.lag(high, "orders")
		p.passes()
		w.at(1)
		other.lag(high, "orders")
		other.passes()
		assert.Equal(t, []ladder.Reason{ladder.Acted}, other.news())
		p.telling = nil
		w.at(10)
		p.lag(high, "orders")
		p.passes()
		assert.Empty(t, p.news())
		assert.Empty(t, p.runner.notifier.pending)
	})
}

// TestGoneForGood: nothing is kept of a target whose lag never comes again.
func TestGoneForGood(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention + "stages: [notify]")
		p.telling = errors.New("away")
		p.lag(high, "orders")
		p.passes()
		assert.Len(t, p.runner.notifier.pending, 1)
		w.now = w.now.Add(ladder.ForgetAfter + time.Second)
		p.pass()
		assert.Empty(t, p.runner.targets)
		assert.Empty(t, p.runner.notifier.pending)
		assert.Empty(t, p.runner.telemetry.stages)
	})
}

// TestRecordWrittenByHand: people can make the ladder begin anew.
func TestRecordWrittenByHand(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		orders.autoscaler, orders.maximum = &fakeObject{value: 1}, 9
		for minute := 0; minute <= 40; minute += 10 {
			if minute == 30 {
				orders.workload.record = `{"version":1,"sequence":1000000}`
				orders.workload.version++
			}
			w.at(minute)
			p.lag(high, "orders")
			p.passes()
		}
		assert.Equal(t, 2, orders.workload.remembered(t).Stage)
		w.at(50)
		p.lag(low, "orders")
		p.passes()
		assert.Equal(t, int32(1), orders.autoscaler.value)
	})
}
