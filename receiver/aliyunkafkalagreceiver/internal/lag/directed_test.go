package lag_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// uniform returns a scenario without trouble: series of one instance each per ten, read every minute, two minutes late.
func uniform(size int, edit func(*scenario)) *scenario {
	sc := &scenario{
		seed: 1, metrics: 1, scrapes: 30, interval: minute, budget: 36 * second, latency: 100,
		cloud: &cloud{period: minute, page: 1440},
		settings: lag.Settings{
			Period: time.Minute, StaleAfter: 10 * time.Minute, MaxBackfill: time.Hour, PageLength: 1440, BatchSize: 50,
			Wanted: func(group string) bool { return !strings.HasPrefix(group, "other") },
		},
	}
	for i := range (size + 99) / 100 {
		sc.cloud.instances = append(sc.cloud.instances, fmt.Sprintf("alikafka_%d", i))
	}
	for i := range size {
		sc.cloud.sources = append(sc.cloud.sources, &source{
			key:      lag.Key{Instance: sc.cloud.instances[i/100], Group: fmt.Sprintf("group_%d", i)},
			instance: i / 100, wanted: true, regular: true, lives: []span{{0, always}}, seed: uint64(i),
			delay: 2*minute + int64(i%60)*second,
		})
	}
	edit(sc)
	sc.settings.PageLength = sc.cloud.page
	sc.cloud.build()
	return sc
}

// TestTrouble plays one scenario for each kind of trouble that reading in parts had. Besides the promises, every live
// series has to be at the present when the scenario ends.
func TestTrouble(t *testing.T) {
	late := func(sc *scenario, share int, by int64) {
		for i := 0; i < len(sc.cloud.sources); i += share {
			sc.cloud.sources[i].delay += by
			sc.cloud.sources[i].regular = false
		}
	}
	for name, sc := range map[string]*scenario{
		"an outage is over": uniform(1440, func(sc *scenario) {
			sc.faults = []fault{{kind: outage, from: 5, to: 8}}
		}),
		"a start with time for two pages a scrape": uniform(1900, func(sc *scenario) {
			sc.latency, sc.scrapes = 8*second, 10
		}),
		"the first scrape after one that ran out of time": uniform(2000, func(sc *scenario) {
			sc.faults, sc.scrapes = []fault{{kind: slow, from: 8, to: 9, size: 300}}, 10
		}),
		"the first scrape after an outage of an hour": uniform(10_000, func(sc *scenario) {
			sc.interval, sc.budget = 5*minute, 4*minute
			sc.faults, sc.scrapes = []fault{{kind: outage, from: 2, to: 14}}, 15
		}),
		"10,000 groups every 15 seconds": uniform(10_000, func(sc *scenario) {
			for i, s := range sc.cloud.sources {
				s.delay = 2*minute + int64(i%15)*second
			}
			sc.cloud.period, sc.settings.Period = 15*second, 15*time.Second
			sc.interval, sc.budget, sc.scrapes, sc.allowance = 15*second, 12*second, 9, 1.3
		}),
		"restarts with a long stale_after": uniform(100, func(sc *scenario) {
			sc.settings.StaleAfter = 3 * time.Hour
			late(sc, 10, 30*minute)
			sc.cloud.page = 50
			sc.faults = []fault{{kind: restart, from: 10, to: 11}, {kind: restart, from: 20, to: 21, size: 10 * minute}}
		}),
		"late groups": uniform(1000, func(sc *scenario) {
			late(sc, 50, 6*minute)
			sc.settings.StaleAfter, sc.allowance, sc.scrapes = 24*time.Hour, 2.2, 60
		}),
		"groups that end": uniform(1000, func(sc *scenario) {
			for i := 0; i < 1000; i += 50 {
				sc.cloud.sources[i].lives[0].to = origin + int64(i)*second
				sc.cloud.sources[i].regular = false
			}
			sc.settings.StaleAfter, sc.allowance, sc.scrapes = 3*time.Hour, 2.2, 60
		}),
		"100 batches with time for 32 in one minute": uniform(10_000, func(sc *scenario) {
			sc.settings.BatchSize, sc.latency = 1, 750
			sc.faults = []fault{{kind: slow, from: 5, to: 15, size: 1}}
		}),
		"the time steps ahead and back": uniform(100, func(sc *scenario) {
			sc.faults = []fault{{kind: clockStep, from: 5, to: 7, size: 40 * second}, {kind: clockStep, from: 12, to: 13, size: -40 * second}}
		}),
		"the time steps back while groups end": uniform(100, func(sc *scenario) {
			for i := range 20 {
				sc.cloud.sources[i].lives[0].to = origin + int64(i)*minute/2
			}
			for step := 1; step < sc.scrapes; step += 2 {
				sc.faults = append(sc.faults, fault{kind: clockStep, from: step, to: step + 1, size: -2 * minute})
			}
		}),
		"failed reads while the next consumer rejects everything": uniform(100, func(sc *scenario) {
			sc.faults = []fault{{kind: refuseAll, from: 5, to: 20}, {kind: flaky, from: 5, to: 20, odds: 0.5}}
		}),
		"a group appears late": uniform(1000, func(sc *scenario) {
			sc.cloud.sources[7].lives[0].from = origin + 3*minute
			sc.cloud.sources[7].delay += 6 * minute
			sc.cloud.sources[7].regular = false
			sc.scrapes = 40
		}),
		"replies break off while groups end": uniform(3000, func(sc *scenario) {
			for i := 0; i < 3000; i += 100 {
				sc.cloud.sources[i].lives[0].to = origin + minute
			}
			sc.faults = []fault{{kind: flaky, from: 3, to: 25, odds: 0.3}}
			sc.scrapes = 35
		}),
		"800 groups published around the moment of the scrape": uniform(800, func(sc *scenario) {
			for i, s := range sc.cloud.sources {
				s.delay = 30*second + int64(i*7919%60)*second
			}
			sc.allowance = 1.3
		}),
		"CloudMonitor is seven minutes late": uniform(100, func(sc *scenario) {
			for i, s := range sc.cloud.sources {
				s.delay = 7*minute + int64(i)*second/2
			}
			sc.allowance = 1.3
		}),
		"one bad instance among many": uniform(3000, func(sc *scenario) {
			sc.faults = []fault{{kind: badInstance, from: 3, to: 20, instance: 11}}
			sc.scrapes = 40
		}),
		"one batch hangs": uniform(1000, func(sc *scenario) {
			sc.settings.BatchSize = 2
			sc.faults = []fault{{kind: hang, from: 3, to: 15, instance: 5}}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trace := quiet
			if testing.Verbose() {
				trace = t.Logf
			}
			r := sc.newRun(trace)
			if v := r.play(); v != nil {
				t.Fatal(v)
			}
			if behind := r.oracle.behind(); len(behind) > 0 && !strings.HasPrefix(name, "100 batches") {
				t.Errorf("%d series are not at the present, the first is %+v", len(behind), behind[0])
			}
		})
	}
}

// behind returns the regular series that are not at the present of the last scrape.
func (o *oracle) behind() []lag.Key {
	var keys []lag.Key
	for _, s := range o.cloud.sources {
		if p, ok := s.newest(o.started, o.cloud.period, true); ok && s.regular && o.now-p.ts < o.settings.StaleAfter.Milliseconds() &&
			o.states[s.id].watermark < p.ts {
			keys = append(keys, s.key)
		}
	}
	return keys
}
