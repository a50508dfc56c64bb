package kafkalagremediationexporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadatatest"
)

// step is what happens at a check.
type step struct {
	minute int
	lag    float64
	writes []string
	told   []ladder.Reason
	event  string
}

// TestWholeLadder climbs all stages, recovers and relapses.
func TestWholeLadder(t *testing.T) {
	const (
		record    = "record orders"
		restart   = "Normal LadderRestarted lag 200000 of orders: the pods were restarted"
		warned    = "Warning LadderWarned lag 200000 of orders: people are warned"
		exhausted = "Warning LadderExhausted lag 200000 of orders: all stages are done, and the lag is still high"
		scaled    = "Normal LadderScaledUp lag 200000 of orders: the "
		recovered = "Normal LadderRecovered lag 5 of orders: the lag is below the threshold again, and the "
		acted     = ladder.Acted
	)
	for name, tt := range map[string]struct {
		autoscaler *fakeObject
		steps      []step
	}{
		"replicas": {steps: []step{
			{0, low, nil, nil, ""},
			{10, high, []string{"restart orders", record}, []ladder.Reason{acted}, restart},
			{20, high, []string{"set_scale orders to 4", record}, []ladder.Reason{acted}, scaled + "replicas were raised from 2 to 4"},
			{30, high, []string{"remember orders", record}, []ladder.Reason{ladder.Warned}, warned},
			{40, high, nil, nil, exhausted},
			{50, low, []string{"restore_scale orders to 2", record}, []ladder.Reason{ladder.Recovered}, recovered + "replicas were put back from 4 to 2"},
			{60, low, nil, nil, ""},
			{70, high, []string{"restart orders", record}, []ladder.Reason{acted}, restart},
		}},
		// Two records: the copy on the workload, and that people were told.
		"autoscaler": {autoscaler: &fakeObject{value: 1}, steps: []step{
			{0, low, nil, nil, ""},
			{10, high, []string{"restart orders", record}, []ladder.Reason{acted}, restart},
			{20, high, []string{"set_scale orders to 3", record, record}, []ladder.Reason{acted}, scaled + "minimum of the autoscaler was raised from 1 to 3"},
			{30, high, []string{"remember orders", record}, []ladder.Reason{ladder.Warned}, warned},
			{40, high, nil, nil, exhausted},
			{50, low, []string{"restore_scale orders to 1", record, record}, []ladder.Reason{ladder.Recovered}, recovered + "minimum of the autoscaler was put back from 3 to 1"},
			{60, low, nil, nil, ""},
			{70, high, []string{"restart orders", record}, []ladder.Reason{acted}, restart},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, p := w.cluster.add("orders"), w.process(byConvention)
				orders.autoscaler, orders.maximum = tt.autoscaler, 3
				for _, s := range tt.steps {
					w.at(s.minute)
					p.lag(s.lag, "orders")
					p.passes()
					assert.Equal(t, s.writes, w.cluster.written(), "minute %d", s.minute)
					assert.Equal(t, s.told, p.news(), "minute %d", s.minute)
					assert.Equal(t, s.event, strings.Join(p.events(), "\n"), "minute %d", s.minute)
					if s.minute == 40 {
						assert.Equal(t, map[cluster.Target]int{deployment("orders"): 3}, p.runner.telemetry.stages)
					}
					if r := orders.workload.remembered(t); s.writes != nil {
						assert.Equal(t, w.now, r.Checked)
						assert.Empty(t, r.Unsent, "people were told")
					}
				}
				assert.Equal(t, int32(2), orders.workload.value)
				assertTelemetry(t, p)
				assert.Empty(t, p.statuses)
				assert.Empty(t, p.runner.notifier.pending)
			})
		})
	}
}

// assertTelemetry checks the metrics of TestWholeLadder.
func assertTelemetry(t *testing.T, p *process) {
	id := attribute.String("exporter", "kafkalagremediation")
	point := func(value int64, attributes ...attribute.KeyValue) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Value: value, Attributes: attribute.NewSet(append(attributes, id)...)}
	}
	target := attribute.String("target", "shop/Deployment/orders")
	action := func(verb ladder.Verb) []attribute.KeyValue {
		return []attribute.KeyValue{target, attribute.String("verb", string(verb)), attribute.Bool("dry_run", false)}
	}
	metadatatest.AssertEqualExporterKafkalagremediationActions(t, p.telemetry, []metricdata.DataPoint[int64]{
		point(2, action(ladder.RestartNow)...), point(1, action(ladder.SetScale)...), point(1, action(ladder.RestoreScale)...),
	}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExporterKafkalagremediationStage(t, p.telemetry, []metricdata.DataPoint[int64]{
		stageOf("shop/Deployment/orders", 1),
	}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExporterKafkalagremediationNotifications(t, p.telemetry, []metricdata.DataPoint[int64]{
		point(5, attribute.String("channel", "people"), attribute.String("outcome", "success")),
	}, metricdatatest.IgnoreTimestamp())
	reason := func(value int64, r ladder.Reason) metricdata.DataPoint[int64] {
		return point(value, target, attribute.String("reason", string(r)))
	}
	metadatatest.AssertEqualExporterKafkalagremediationDecisions(t, p.telemetry, []metricdata.DataPoint[int64]{
		reason(2, ladder.Below), reason(3, ladder.Acted), reason(1, ladder.Warned), reason(1, ladder.Exhausted), reason(1, ladder.Recovered),
	}, metricdatatest.IgnoreTimestamp())
}

// stageOf returns a point of the gauge, without attribute if there is no target.
func stageOf(target string, stage int64) metricdata.DataPoint[int64] {
	attributes := []attribute.KeyValue{attribute.String("exporter", "kafkalagremediation")}
	if target != "" {
		attributes = append(attributes, attribute.String("target", target))
	}
	return metricdata.DataPoint[int64]{Value: stage, Attributes: attribute.NewSet(attributes...)}
}

// TestCopyOnTheWorkload: what was done to an autoscaler is known from the workload, too.
func TestCopyOnTheWorkload(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention+"stages: [{scale_up: {replicas: 2}}, restart]")
		orders.autoscaler, orders.maximum = &fakeObject{value: 1}, 9
		p.lag(high, "orders")
		p.passes()
		onAutoscaler, onWorkload := orders.autoscaler.remembered(t), orders.workload.remembered(t)
		assert.Equal(t, &ladder.Raised{From: 1, To: 4}, onAutoscaler.Raised)
		assert.Nil(t, onWorkload.Raised, "its own replicas were not raised")
		assert.Equal(t, 1, onWorkload.Stage)
		assert.Equal(t, onAutoscaler.Actions, onWorkload.Actions)
		assert.Equal(t, onAutoscaler.Sequence, onWorkload.Sequence)

		orders.autoscaler = nil
		w.at(10)
		p.lag(high, "orders")
		w.cluster.written()
		p.passes()
		assert.Equal(t, "restart orders", w.cluster.written()[0], "the second stage, not the first again")
	})
}

// TestOneJudgementPerInterval: points and passes in between change nothing.
func TestOneJudgementPerInterval(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention)
		for w.now.Before(start.Add(25 * time.Minute)) {
			p.lag(high, "orders")
			p.pass()
			w.now = w.now.Add(5 * time.Second)
		}
		actions := slices.DeleteFunc(w.cluster.written(), func(s string) bool { return s == "record orders" })
		assert.Equal(t, []string{"restart orders", "set_scale orders to 4", "remember orders"}, actions)
		assert.Equal(t, 6, w.cluster.reads, "for each judgement, and to mark each message")
	})
}

// TestNewcomersWait: a breach is judged at the pass after the one that sees it first.
func TestNewcomersWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention)
		p.lag(high, "orders")
		p.pass()
		assert.Zero(t, w.cluster.reads)
		p.pass()
		assert.Equal(t, []string{"restart orders"}, w.cluster.written())
	})
}

// TestIdleTargetsAreSeldomRead: a low lag needs no calls, until it is high.
func TestIdleTargetsAreSeldomRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention)
		for i := range 8 {
			w.at(10 * i)
			p.lag(low, "orders")
			p.passes()
		}
		assert.Equal(t, 2, w.cluster.reads, "at the first check and at the eighth")
		w.at(80)
		p.lag(p.runner.cfg.Threshold, "orders")
		p.passes()
		assert.Equal(t, "restart orders", w.cluster.written()[0])
	})
}

// TestWhatIsRead: what holds back an action on a target reaches the ladder.
func TestWhatIsRead(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*fakeTarget)
		writes []string
	}{
		"nothing":     {func(*fakeTarget) {}, []string{"restart orders", "record orders"}},
		"off":         {func(o *fakeTarget) { o.off = "its annotation says so" }, nil},
		"scaled to 0": {func(o *fakeTarget) { o.empty = true }, nil},
		"unsettled":   {func(o *fakeTarget) { o.unsettled = "a rollout is in progress" }, []string{"remember orders"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, p := w.cluster.add("orders"), w.process(byConvention)
				tt.change(orders)
				p.lag(high, "orders")
				p.passes()
				assert.Equal(t, tt.writes, w.cluster.written())
			})
		})
	}
}

// TestTakingOverInBetween: the next check comes an interval after the last one of the process before.
func TestTakingOverInBetween(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		before, p := w.process(byConvention), w.process(byConvention)
		before.lag(high, "orders")
		before.passes()
		w.cluster.written()
		for _, minute := range []int{4, 10} {
			w.at(minute)
			p.lag(high, "orders")
			p.passes()
		}
		assert.Equal(t, []string{"set_scale orders to 4", "record orders"}, w.cluster.written())
	})
}

func TestMaxTargetsAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		groups := []string{"a", "b", "c"}
		for _, g := range groups {
			w.cluster.add(g)
		}
		p := w.process(byConvention + "max_targets_at_once: 2")
		for i := range 3 {
			w.at(10 * i)
			p.lag(high, groups...)
			p.passes()
		}
		assert.Empty(t, w.cluster.written())
		assert.Equal(t, []ladder.Reason{ladder.Braked}, p.news(), "told once")
		assert.Equal(t, 3, p.delivered[0].count)

		w.at(30)
		p.lag(high, "a", "b")
		p.lag(low, "c")
		p.passes()
		assert.Subset(t, w.cluster.written(), []string{"restart a", "restart b"})
		assert.Equal(t, []ladder.Reason{ladder.Acted, ladder.Acted}, p.news())
		w.at(35)
		p.pass()

		w.at(40)
		p.lag(high, groups...)
		p.passes()
		assert.Empty(t, w.cluster.written())
		assert.Equal(t, []ladder.Reason{ladder.Braked}, p.news(), "and again when it happens again")
		for i, c := range []float64{low, high, high, high} {
			w.at(42 + 5*i)
			p.lag(high, "a", "b")
			p.lag(c, "c")
			p.passes()
		}
		assert.Empty(t, p.news(), "a number around the limit is no news")
	})
}

// TestSwitchedOffTargetsDoNotCount: nothing would be done for them, so they do not keep anything from being done.
func TestSwitchedOffTargetsDoNotCount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, g := range []string{"a", "b", "c", "e"} {
			w.cluster.add(g).off = "its annotation says so"
		}
		w.cluster.add("d")
		p := w.process(byConvention)
		p.lag(high, "a", "b", "c", "d", "e")
		p.passes()
		assert.Equal(t, []string{"restart d"}, w.cluster.written())
		assert.Equal(t, []ladder.Reason{ladder.Acted}, p.news(), "and nobody is told that there are too many")
	})
}

// TestOneTooMany: the target that makes them too many is not acted on, although it was never read before.
func TestOneTooMany(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("a")
		w.cluster.add("b")
		p := w.process(byConvention + "max_targets_at_once: 1")
		p.lag(high, "a")
		p.passes()
		assert.Equal(t, []string{"restart a", "record a"}, w.cluster.written())
		w.at(1)
		p.lag(high, "b")
		p.passes()
		assert.Empty(t, w.cluster.written())
		assert.Equal(t, []ladder.Reason{ladder.Acted, ladder.Braked}, p.news())
	})
}

func TestMaxActionsPerHour(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		groups := []string{"a", "b", "c"}
		for _, g := range groups {
			w.cluster.add(g)
		}
		p := w.process(byConvention + "max_actions_per_hour: 2\nstages: [{scale_up: {replicas: 2}}]")
		for minute := 0; minute < 60; minute += 10 {
			w.at(minute)
			p.lag(high, groups...)
			p.passes()
		}
		assert.Equal(t, []string{"set_scale a to 4", "set_scale b to 4", "record a", "record b"}, sorted(w.cluster.written()))
		assert.Contains(t, p.events(), "Warning LadderBraked lag 200000 of c: nothing is done: there were 2 actions in the last hour (max_actions_per_hour)")

		w.at(60)
		p.lag(high, groups...)
		p.passes()
		assert.Equal(t, []string{"set_scale c to 4", "record c"}, w.cluster.written(), "an hour later there is room")
	})
}

// sorted puts the actions first.
func sorted(writes []string) []string {
	slices.SortStableFunc(writes, func(a, b string) int {
		return strings.Compare(fmt.Sprint(strings.HasPrefix(a, "record"), a), fmt.Sprint(strings.HasPrefix(b, "record"), b))
	})
	return writes
}

// TestPuttingBackIsNotLimited: max_actions_per_hour holds back what the ladder does, not what it undoes.
func TestPuttingBackIsNotLimited(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention+"max_actions_per_hour: 1\nstages: [{scale_up: {replicas: 2}}]")
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, int32(4), orders.workload.value)
		w.at(10)
		p.lag(low, "orders")
		p.passes()
		assert.Equal(t, int32(2), orders.workload.value)
	})
}

// TestActionsOfOthersCount: max_actions_per_hour counts what the records say, not what this process did. A new process acts
// on none before it knows the records of all, whichever it reads first.
func TestActionsOfOthersCount(t *testing.T) {
	for _, first := range []string{"a", "b"} {
		t.Run(first, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.cluster.add("a")
				w.cluster.add("b")
				const yaml = byConvention + "max_actions_per_hour: 1"
				before := w.process(yaml)
				before.lag(high, first)
				before.passes()
				require.Equal(t, "restart "+first, w.cluster.written()[0])

				after := w.process(yaml)
				w.at(5)
				after.lag(high, "a", "b")
				after.passes()
				assert.Empty(t, w.cluster.written())
			})
		})
	}
}

// TestDryRun climbs the ladder in memory.
func TestDryRun(t *testing.T) {
	for name, tt := range map[string]struct {
		autoscaler *fakeObject
		raised     string
		restored   string
	}{
		"replicas": {nil, "The replicas would be raised from 2 to 4", "the replicas would be put back from 4 to 2"},
		"autoscaler": {
			&fakeObject{value: 1}, "The minimum of the autoscaler would be raised from 1 to 4",
			"the minimum of the autoscaler would be put back from 4 to 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, p := w.cluster.add("orders"), w.process(strings.Replace(byConvention, "dry_run: false", "dry_run: true", 1))
				orders.autoscaler, orders.maximum = tt.autoscaler, 9
				for minute := 0; minute <= 40; minute += 10 {
					w.at(minute)
					lag := float64(high)
					if minute == 40 {
						lag = low
					}
					p.lag(lag, "orders")
					p.passes()
				}
				assert.Equal(t, []string{
					"The pods would be restarted", tt.raised, "People are warned", "All stages are done, and the lag is still high",
					"The lag is below the threshold again, and " + tt.restored,
				}, p.logged())
				assert.Equal(t, []ladder.Reason{ladder.Acted, ladder.Acted, ladder.Warned, ladder.Recovered}, p.news())
				assert.Empty(t, w.cluster.written())
				assert.Empty(t, p.events())
			})
		})
	}
}

// TestDryRunRaisesFurther: from what would have been raised, or from what the autoscaler made of it.
func TestDryRunRaisesFurther(t *testing.T) {
	for name, tt := range map[string]struct {
		replicas int32 // at the second check
		want     string
	}{
		"as they are": {2, "The minimum of the autoscaler would be raised from 4 to 6"},
		"more":        {6, "The minimum of the autoscaler would be raised from 4 to 8"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, p := w.cluster.add("orders"), w.process(strings.Replace(byConvention, "dry_run: false", "dry_run: true", 1)+
					"stages: [{scale_up: {replicas: 2}}, {scale_up: {replicas: 2}}]")
				orders.autoscaler, orders.maximum = &fakeObject{value: 1}, 9
				p.lag(high, "orders")
				p.passes()
				w.at(10)
				orders.workload.value = tt.replicas
				p.lag(high, "orders")
				p.passes()
				assert.Equal(t, []string{"The minimum of the autoscaler would be raised from 1 to 4", tt.want}, p.logged())
				action := attribute.NewSet(attribute.String("exporter", "kafkalagremediation"), attribute.String("target", "shop/Deployment/orders"),
					attribute.String("verb", string(ladder.SetScale)), attribute.Bool("dry_run", true))
				metadatatest.AssertEqualExporterKafkalagremediationActions(t, p.telemetry, []metricdata.DataPoint[int64]{
					{Value: 2, Attributes: action},
				}, metricdatatest.IgnoreTimestamp())
			})
		})
	}
}

// TestDryRunIgnoresRecords: a record on the target is neither used nor doubted.
func TestDryRunIgnoresRecords(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(strings.Replace(byConvention, "dry_run: false", "dry_run: true", 1))
		orders.workload.record = "corrupt"
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, []string{"The pods would be restarted"}, p.logged())
		assert.Equal(t, "corrupt", orders.workload.record)
	})
}

// TestConflict: what was decided from an older version is decided again.
func TestConflict(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*fakeTarget)
		times  int
		writes []string
		reads  int
	}{
		"something else changed":  {func(*fakeTarget) {}, 1, []string{"restart orders"}, 2},
		"it was switched off":     {func(o *fakeTarget) { o.off = "its rollout is paused" }, 1, nil, 2},
		"it changes all the time": {func(*fakeTarget) {}, attempts, nil, attempts},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, p := w.cluster.add("orders"), w.process(byConvention)
				left := tt.times
				w.cluster.beforeWrite = func() {
					if left > 0 {
						left--
						orders.workload.version++
						tt.change(orders)
					}
				}
				p.lag(high, "orders")
				p.pass()
				p.pass()
				assert.Equal(t, tt.writes, w.cluster.written())
				assert.Equal(t, tt.reads, w.cluster.reads)
				if tt.times < attempts {
					return
				}
				assert.Equal(t, []string{"A target could not be checked"}, p.logged())
				w.at(1)
				p.pass()
				assert.Equal(t, []string{"restart orders"}, w.cluster.written(), "tried again a minute later")
			})
		})
	}
}

// TestStalledProcess: what was read long ago is read again before it is acted on.
func TestStalledProcess(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		w.cluster.afterRead = func() { w.now = w.now.Add(2 * time.Minute) }
		p.lag(high, "orders")
		p.pass()
		p.pass()
		assert.Equal(t, 2, w.cluster.reads)
		assert.Equal(t, []string{"restart orders"}, w.cluster.written())
		assert.Equal(t, start.Add(2*time.Minute), orders.workload.remembered(t).Checked)
	})
}

// TestStalledBetweenShortChecks: what was read half an interval ago is as old.
func TestStalledBetweenShortChecks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention + "check_interval: 1m")
		w.cluster.afterRead = func() { w.now = w.now.Add(31 * time.Second) }
		p.lag(high, "orders")
		p.pass()
		p.pass()
		assert.Equal(t, 2, w.cluster.reads)
	})
}

// TestWriteFails: only a conflict is a reason to read the target again at once.
func TestWriteFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention)
		w.cluster.beforeWrite = func() { w.cluster.away = errors.New("connection reset") }
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, 1, w.cluster.reads)
	})
}

// TestShutdownIsNoFailure: a call that ends with the process is not reported.
func TestShutdownIsNoFailure(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.process(byConvention)
		ended, end := context.WithCancel(t.Context())
		end()
		assert.False(t, p.runner.settle(ended, deployment("orders"), &targetState{}, nil, context.Canceled))
		assert.Empty(t, p.logged())
		assert.Empty(t, p.statuses)
	})
}

// TestReadingTakesTooLong: nothing is done, and that does not go unreported.
func TestReadingTakesTooLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention)
		var slow func()
		slow = func() {
			w.now = w.now.Add(2 * time.Minute)
			w.cluster.afterRead = slow
		}
		slow()
		p.lag(high, "orders")
		p.passes()
		assert.Empty(t, w.cluster.written())
		assert.Equal(t, []string{"A target could not be checked"}, p.logged())
	})
}

// TestAPIServerAway: it is left in peace for a while, and the ladder goes on where it was.
func TestAPIServerAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("a")
		w.cluster.add("b")
		p := w.process(byConvention)
		w.cluster.away = errors.New("connection refused")
		p.lag(high, "a", "b")
		p.passes()
		assert.Equal(t, 1, w.cluster.reads)
		assert.Equal(t, []string{"A target could not be checked"}, p.logged())
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, p.statuses)

		w.now = start.Add(retryAfter - time.Second)
		p.pass()
		assert.Equal(t, 1, w.cluster.reads, "it rests")
		w.now = start.Add(retryAfter)
		p.pass()
		assert.Equal(t, 2, w.cluster.reads, "and tries again")
		assert.Empty(t, p.logged(), "the same error is logged once")

		w.cluster.away = nil
		w.now = start.Add(3 * retryAfter)
		p.passes()
		assert.Subset(t, w.cluster.written(), []string{"restart a", "restart b"})
		assert.Equal(t, []componentstatus.Status{
			componentstatus.StatusRecoverableError, componentstatus.StatusRecoverableError, componentstatus.StatusOK,
		}, p.statuses)
		p.logged()

		w.cluster.away = errors.New("connection refused")
		w.at(20)
		p.lag(high, "a", "b")
		p.passes()
		assert.Equal(t, []string{"A target could not be checked"}, p.logged(), "another outage")
	})
}

// TestMissingTarget: the others go on.
func TestMissingTarget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("b")
		p := w.process(byConvention)
		p.lag(high, "a", "b")
		p.passes()
		assert.Subset(t, w.cluster.written(), []string{"restart b"})
		logs := p.logs.FilterMessage("A target could not be checked").All()
		require.Len(t, logs, 1)
		assert.Equal(t, "shop/Deployment/a", logs[0].ContextMap()["target"])
		assert.Equal(t, []any{"a"}, logs[0].ContextMap()["groups"])
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, p.statuses, "although the other one is well")
		w.at(1)
		p.passes()
		assert.Equal(t, 1, p.logs.FilterMessage("A target could not be checked").Len(), "the same error is logged once")
		metadatatest.AssertEqualExporterKafkalagremediationFailures(t, p.telemetry, []metricdata.DataPoint[int64]{
			{Value: 2, Attributes: stageOf("", 0).Attributes},
		}, metricdatatest.IgnoreTimestamp())

		w.cluster.add("a")
		w.at(2)
		p.passes()
		assert.Contains(t, w.cluster.written(), "restart a", "it is there now")
		assert.Equal(t, componentstatus.StatusOK, p.statuses[len(p.statuses)-1])
	})
}

// TestOlderRecord: kubectl rollout undo brings an old record back, or none.
func TestOlderRecord(t *testing.T) {
	for name, older := range map[string]bool{"gone": false, "older": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, p := w.cluster.add("orders"), w.process(byConvention)
				p.lag(high, "orders")
				p.passes()
				before := orders.workload.record
				w.at(10)
				p.lag(high, "orders")
				p.passes()
				require.Equal(t, 2, orders.workload.remembered(t).Stage)
				seen := orders.workload.remembered(t).Sequence
				other := w.process(byConvention) // has only read what the first one wrote
				other.lag(high, "orders")
				other.passes()
				p = other
				w.cluster.beforeWrite = func() { // so that it has to decide again
					w.cluster.beforeWrite = nil
					orders.workload.version++
				}

				orders.workload.record = ""
				if older {
					orders.workload.record = before
				}
				orders.workload.version++
				w.cluster.written()
				p.news()
				w.at(20)
				p.lag(high, "orders")
				p.passes()
				assert.Equal(t, []string{"remember orders", "record orders"}, w.cluster.written())
				assert.Equal(t, []ladder.Reason{ladder.Doubt}, p.news())
				assert.Greater(t, orders.workload.remembered(t).Sequence, seen)

				for minute := 30; minute < 380; minute += 10 {
					w.at(minute)
					p.lag(high, "orders")
					p.passes()
				}
				assert.Empty(t, w.cluster.written(), "for six hours")
				w.at(380)
				p.lag(high, "orders")
				p.passes()
				assert.Equal(t, []string{"restart orders", "record orders"}, w.cluster.written())
			})
		})
	}
}

// TestMarkingKeepsDoubt: marking messages on a record that was brought back does not make it look new.
func TestMarkingKeepsDoubt(t *testing.T) {
	const scaledFirst, restartedFirst = "stages: [{scale_up: {replicas: 2}}, restart]", "stages: [restart, {scale_up: {replicas: 2}}]"
	for name, tt := range map[string]struct{ stages, record string }{
		"gone": {scaledFirst, ""}, "older": {scaledFirst, `{"version":1,"sequence":1}`}, "corrupt, but for its copy": {restartedFirst, "corrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, p := w.cluster.add("orders"), w.process(byConvention+tt.stages)
				orders.autoscaler, orders.maximum = &fakeObject{value: 1}, 9
				p.lag(high, "orders")
				p.passes()
				w.at(10)
				p.lag(high, "orders")
				p.pass()
				require.Equal(t, 2, orders.workload.remembered(t).Stage)
				w.cluster.written()
				orders.workload.record = tt.record
				orders.workload.version++
				p.pass() // would mark the last message as told
				assert.Empty(t, w.cluster.written())
				w.at(20)
				p.lag(high, "orders")
				p.passes()
				assert.Contains(t, p.news(), ladder.Doubt)
				assert.Zero(t, orders.workload.remembered(t).Stage)
			})
		})
	}
}

// TestRecreatedWorkload: another workload of the same name has a memory of its own.
func TestRecreatedWorkload(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process(byConvention)
		for _, minute := range []int{0, 10, 20} {
			w.at(minute)
			p.lag(high, "orders")
			p.passes()
		}
		w.cluster.add("orders").uid = "another"
		w.cluster.written()
		for _, minute := range []int{30, 40, 50} {
			w.at(minute)
			p.lag(high, "orders")
			p.passes()
		}
		assert.Equal(t, "restart orders", w.cluster.written()[0])
		assert.NotContains(t, p.news(), ladder.Doubt, "what was seen of the one before does not count")
	})
}

// TestCorruptCopy: the record that replaces both is newer than the one that could be read.
func TestCorruptCopy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		orders.workload.record = `{"version":1,"sequence":7}`
		orders.autoscaler = &fakeObject{value: 1, record: "corrupt"}
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, ladder.Doubt, orders.workload.remembered(t).Result)
		assert.Equal(t, int64(8), orders.workload.remembered(t).Sequence)
	})
}

func TestCorruptRecord(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		orders.workload.record = "corrupt"
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, []string{"remember orders", "record orders"}, w.cluster.written())
		assert.Equal(t, []ladder.Reason{ladder.Doubt}, p.news())
		assert.Contains(t, p.events()[0], "Warning LadderDoubt")
		assert.Equal(t, start.Add(6*time.Hour), *orders.workload.remembered(t).HoldUntil)
	})
}

// TestResend: what another process decided and did not deliver is delivered after a minute.
func TestResend(t *testing.T) {
	for name, tt := range map[string]struct {
		lag    float64
		minute int // when the other process takes over
		told   []ladder.Reason
	}{
		"at once it may still be delivered": {high, 0, nil},
		"within an episode":                 {high, 1, []ladder.Reason{ladder.Acted}},
		"while the lag is low":              {low, 1, []ladder.Reason{ladder.Acted}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders, dead := w.cluster.add("orders"), w.process(byConvention)
				dead.telling = errors.New("away")
				dead.lag(high, "orders")
				dead.passes()
				require.Len(t, orders.workload.remembered(t).Unsent, 1)

				p := w.process(byConvention)
				w.at(tt.minute)
				p.lag(tt.lag, "orders")
				p.passes()
				assert.Equal(t, tt.told, p.news())
				if tt.told == nil {
					w.at(1)
					p.passes()
					assert.Equal(t, []ladder.Reason{ladder.Acted}, p.news(), "a minute later, before the next judgement")
				}
				assert.Empty(t, orders.workload.remembered(t).Unsent)
				p.passes()
				assert.Empty(t, p.news(), "once")
			})
		})
	}
}

// TestPeopleAreToldAtTheNextCheck: a channel that is away does not lose messages, not even after the episode.
func TestPeopleAreToldAtTheNextCheck(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		p.telling = errors.New("away")
		p.lag(high, "orders")
		p.passes()
		w.at(10)
		p.lag(low, "orders")
		p.passes()
		w.at(20)
		p.lag(low, "orders")
		p.passes()
		assert.Len(t, orders.workload.remembered(t).Unsent, 2)

		p.telling = nil
		w.at(30)
		p.lag(low, "orders")
		p.passes()
		assert.Equal(t, []ladder.Reason{ladder.Acted, ladder.Recovered}, p.news())
		assert.Empty(t, orders.workload.remembered(t).Unsent)
	})
}

// TestNobodyToTell: without a channel no messages are kept.
func TestNobodyToTell(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		synctest.Wait() // until it runs
		p.runner.notifier.channels = nil
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, []string{"restart orders"}, w.cluster.written())
		assert.Empty(t, orders.workload.remembered(t).Unsent)
	})
}

func TestNoData(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders, p := w.cluster.add("orders"), w.process(byConvention)
		p.lag(high, "orders")
		p.passes()
		p.news()
		for minute := 10; minute <= 60; minute += 10 {
			w.at(minute)
			p.passes()
		}
		assert.Equal(t, []ladder.Reason{ladder.NoData}, p.news(), "told once")
		assert.Len(t, slices.DeleteFunc(p.events(), func(e string) bool { return !strings.HasPrefix(e, "Warning LadderNoData") }), 1)
		assert.Equal(t, 1, orders.workload.remembered(t).Stage, "the record is kept")
	})
}

// TestGroupWithoutLagAfterARestart: a group that is configured by name is not forgotten if its lag never arrives.
func TestGroupWithoutLagAfterARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders := w.cluster.add("orders")
		w.cluster.add("other")
		before := w.process(byConvention)
		before.lag(high, "orders")
		before.passes()

		standby := w.process(oneTarget + "dry_run: false")
		w.at(15)
		reads := w.cluster.reads
		standby.passes()
		assert.Equal(t, reads, w.cluster.reads, "a collector that gets no lag at all knows nothing of any group")

		w.now = start
		p := w.process("dry_run: false\ntargets: [{group: orders, namespace: shop, deployment: orders}, {group: other, namespace: shop, deployment: other}]")
		w.at(14)
		p.lag(low, "other")
		p.passes()
		assert.Empty(t, p.news(), "it may still arrive")
		w.at(15)
		p.passes()
		assert.Equal(t, []ladder.Reason{ladder.NoData}, p.news())
		assert.Equal(t, 1, orders.workload.remembered(t).Stage)
	})
}

// TestTwoGroupsOfOneTarget act once, and the worst of them counts.
func TestTwoGroupsOfOneTarget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		p := w.process("dry_run: false\ntargets: [{group_regexp: '^g.$', namespace: shop, deployment: orders}]")
		p.lag(high, "g1")
		p.lag(high+1, "g2")
		p.passes()
		assert.Equal(t, []string{"restart orders", "record orders"}, w.cluster.written())
		assert.Equal(t, "g2", p.delivered[0].Group)
		assert.InDelta(t, high+1, p.delivered[0].Lag, 0)
		w.at(10)
		p.lag(low, "g1")
		p.lag(high, "g2")
		p.passes()
		assert.Equal(t, "set_scale orders to 4", w.cluster.written()[0], "one that is low is not recovery")
	})
}

// TestTwoProcesses: whoever is late finds the target changed. Each stage is done once, and people are told once.
func TestTwoProcesses(t *testing.T) {
	for name, interleaved := range map[string]bool{"in turn": false, "between read and write": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				orders := w.cluster.add("orders")
				orders.autoscaler, orders.maximum = &fakeObject{value: 1}, 9
				processes := []*process{w.process(byConvention), w.process(byConvention)}
				var told []ladder.Reason
				for i := range 5 {
					w.at(10 * i)
					lag := float64(high)
					if i == 4 {
						lag = low
					}
					first, second := processes[i%2], processes[(i+1)%2]
					first.lag(lag, "orders")
					second.lag(lag, "orders")
					first.pass()
					second.pass()
					if interleaved {
						w.cluster.beforeWrite = func() {
							w.cluster.beforeWrite = nil
							second.pass()
						}
					}
					first.passes()
					second.passes()
					told = append(append(told, first.news()...), second.news()...)
				}
				actions := slices.DeleteFunc(w.cluster.written(), func(s string) bool { return s == "record orders" })
				assert.Equal(t, []string{"restart orders", "set_scale orders to 4", "remember orders", "restore_scale orders to 1"}, actions)
				assert.Equal(t, []ladder.Reason{ladder.Acted, ladder.Acted, ladder.Warned, ladder.Recovered}, told)
			})
		})
	}
}

// TestOneFailingTarget: an error of the API server that only one target has does not keep the others from being judged.
func TestOneFailingTarget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("a")
		w.cluster.add("b")
		p := w.process(byConvention)
		w.cluster.awayFor = "a"
		p.lag(high, "a", "b")
		p.passes()
		w.now = start.Add(retryAfter)
		p.passes()
		assert.Contains(t, w.cluster.written(), "restart b")
	})
}

// TestBrakeAfterAnotherMessage: one that is delivered does not stand for the one that is not.
func TestBrakeAfterAnotherMessage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c", "d"} {
			w.cluster.add(name)
		}
		p := w.process(byConvention)
		p.lag(high, "a")
		p.pass()
		p.pass()
		require.Equal(t, []ladder.Reason{ladder.Acted}, p.news())
		p.telling = errors.New("away")
		p.lag(high, "b", "c", "d")
		p.passes()
		p.telling = nil
		w.at(10)
		p.passes()
		assert.Equal(t, []ladder.Reason{ladder.Braked}, p.news())
	})
}

// TestBrakeIsToldAgain: people learn that too many breach, even if they could not be told at first, and once.
func TestBrakeIsToldAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c", "d"} {
			w.cluster.add(name)
		}
		p := w.process(byConvention)
		p.telling = errors.New("away")
		p.lag(high, "a", "b", "c", "d")
		p.passes()
		assert.Empty(t, p.news())
		metadatatest.AssertEqualExporterKafkalagremediationNotifications(t, p.telemetry, []metricdata.DataPoint[int64]{{
			Value: 1, Attributes: attribute.NewSet(attribute.String("exporter", "kafkalagremediation"), attribute.String("channel", "people"), attribute.String("outcome", "failed")),
		}}, metricdatatest.IgnoreTimestamp())
		p.telling = nil
		for minute := 10; minute <= 40; minute += 10 {
			w.at(minute)
			p.lag(high, "a", "b", "c", "d")
			p.passes()
		}
		assert.Equal(t, []ladder.Reason{ladder.Braked}, p.news())
	})
}
