package lag_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// draws draws a scenario.
type draws struct {
	*rand.Rand
	*scenario
	calm bool // without faults and oddities: the number of calls is checked
}

// randomScenario returns the scenario of a seed.
func randomScenario(seed uint64) *scenario {
	d := draws{rand.New(rand.NewPCG(seed, 0)), &scenario{seed: seed, cloud: &cloud{}}, false} //nolint:gosec // not a secret: it has to be repeatable
	d.calm = d.chance(0.25)
	d.bounds()
	size := d.size()
	d.instances(size)
	d.sources(size)
	d.cloud.build()
	if !d.calm {
		for range d.IntN(5) {
			d.fault()
		}
	}
	return d.scenario
}

func (d draws) chance(p float64) bool { return d.Float64() < p }

// between returns a number in [from, to].
func (d draws) between(from, to int64) int64 { return from + d.Int64N(to-from+1) }

func pick[T any](d draws, from ...T) T { return from[d.IntN(len(from))] }

// bounds draws what is configured.
func (d draws) bounds() {
	d.cloud.period = pick(d, minute, minute, minute, 15*second)
	d.interval = pick[int64](d, 15, 30, 60, 60, 60, 60, 120, 300) * second
	d.budget = d.interval * pick[int64](d, 8, 8, 8, 5, 3) / 10
	d.latency = pick[int64](d, 50, 100, 100, 400)
	d.settings = lag.Settings{
		Period:      time.Duration(d.cloud.period) * time.Millisecond,
		StaleAfter:  pick[time.Duration](d, 3, 5, 10, 10, 10, 10, 30, 120, 24*60) * time.Minute,
		MaxBackfill: pick[time.Duration](d, 10, 10, 60, 60, 60, 60, 60, 360) * time.Minute,
		Wanted:      func(group string) bool { return !strings.HasPrefix(group, "other") },
		BatchSize:   pick(d, 2, 5, 10, 50),
	}
	d.scrapes = int(d.between(20, 50))
	d.region = d.chance(0.1)
	d.metrics = pick(d, 1, 1, 1, 2)
	d.cloud.shuffled = d.chance(0.3)
}

// size draws the number of series: few of them in most scenarios.
func (d draws) size() int {
	size := int(d.between(1, 40))
	switch x := d.Float64(); {
	case x < 0.001:
		size, d.scrapes, d.latency = int(d.between(2000, 10_000)), 20, 100
	case x < 0.1:
		size, d.scrapes = int(d.between(40, 300)), 25
	}
	d.cloud.page = pick(d, 20, 50, 50, 100)
	if size > 300 || d.chance(0.1) || int(d.settings.MaxBackfill/d.settings.Period)*d.settings.BatchSize > 80*d.cloud.page {
		d.cloud.page = 1440
	} else if size > 100 {
		d.cloud.page = pick(d, 100, 200, 500)
	}
	d.settings.PageLength = d.cloud.page
	return size
}

func (d draws) instances(size int) {
	for i := range 1 + size/int(d.between(1, 30)) {
		d.cloud.instances = append(d.cloud.instances, fmt.Sprintf("alikafka_%d", i))
	}
}

// sources draws the series: first what they have in common, then each.
func (d draws) sources(size int) {
	stale := d.settings.StaleAfter.Milliseconds()
	common := source{delay: d.between(10*second, min(7*minute, stale/2)), wanted: true, regular: true, lives: []span{{0, always}}}
	if d.chance(0.4) {
		common.jitter = d.between(0, d.cloud.period-second)
	}
	if !d.calm {
		d.oddities(&common)
	}
	straddle := d.chance(0.5)
	late, ending, born, other := d.share(0.3, 0.03), d.share(0.3, 0.03), d.share(0.2, 0.2), d.share(0.2, 0.5)
	if late > 0 || ending > 0 {
		d.allowance = 2.2
	} else {
		d.allowance = 1.3
	}
	if !d.calm {
		d.allowance, ending, born = 0, ending*5, born*2
	}
	for i := range size {
		s := common
		s.seed = d.Uint64()
		s.metric = d.IntN(d.metrics)
		s.instance = d.IntN(len(d.cloud.instances))
		s.key = lag.Key{Instance: d.cloud.instances[s.instance], Group: fmt.Sprintf("group_%d", i)}
		if straddle {
			s.delay += d.Int64N(d.cloud.period)
		}
		d.oddOneOut(&s, late, ending, born, other)
		if s.metric == 1 {
			s.key.Topic = "orders"
		}
		d.cloud.sources = append(d.cloud.sources, &s)
	}
}

// share returns, in some scenarios, the share of the series that are special in some way, up to most.
func (d draws) share(scenarios, most float64) float64 {
	if !d.chance(scenarios) {
		return 0
	}
	return most * d.Float64()
}

// oddities draws what CloudMonitor does with all series of a scenario.
func (d draws) oddities(s *source) {
	s.gaps = d.share(0.1, 0.2)
	s.bad = d.share(0.1, 0.1)
	s.twice = d.share(0.1, 0.3)
	s.straggle = d.share(0.1, 0.2)
	if d.chance(0.1) {
		from := d.moment()
		s.held = span{from, from + d.between(1, 12)*minute}
	}
}

// oddOneOut makes a series special: late, ending, born, unwanted or with a long name.
func (d draws) oddOneOut(s *source, late, ending, born, other float64) {
	if d.chance(late) {
		s.regular = false
		s.delay += d.between(2*minute, max(2*minute, min(10*minute, d.settings.StaleAfter.Milliseconds()-s.delay-3*minute)))
	}
	if d.chance(ending) {
		s.regular = false
		s.lives = []span{{0, d.moment()}}
		if !d.calm && d.chance(0.5) {
			back := s.lives[0].to + d.between(1, 20)*minute
			s.lives = append(s.lives, span{back, always})
		}
	}
	if !d.calm && d.chance(born) {
		s.lives = []span{{d.moment(), always}}
	}
	if d.chance(other) {
		s.wanted = false
		s.key.Group = "other_" + s.key.Group
	}
	if !d.calm && d.chance(0.005) {
		s.key.Group += strings.Repeat("x", 64)
	}
}

// moment draws a moment shortly before or during the run.
func (d draws) moment() int64 {
	return origin + d.between(-5*minute, int64(d.scrapes)*d.interval)
}

// fault draws trouble.
func (d draws) fault() {
	f := fault{kind: trouble(d.IntN(int(clockStep) + 1)), instance: d.IntN(len(d.cloud.instances)), odds: d.Float64()}
	f.from = int(d.between(1, int64(d.scrapes)))
	f.to = f.from + int(d.between(1, 10))
	switch f.kind {
	case badInstance:
		if d.region { // the service leaves out what it does not know
			return
		}
	case slow:
		f.size = pick[int64](d, 3, 10, 30)
	case hang:
		f.instance = pick(d, f.instance, f.instance, -1)
	case restart, resume:
		f.to = f.from + 1
		f.size = pick(d, 0, second, minute, 20*minute)
	case clockStep:
		f.to = f.from + pick(d, 1, 1, 10)
		f.size = d.between(-10, 10) * second
	}
	d.faults = append(d.faults, f)
}
