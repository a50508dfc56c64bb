package cmssim

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const twoGroups = `
publication_delay: 60s
instances:
  - id: a
    groups:
      - {name: flat, lag: [{at: 0s, lag: 7}]}
      - {name: late, extra_publication_delay: 2m, lag: [{at: 0s, lag: 0}]}
  - id: b
    groups:
      - name: rising
        lag: [{at: 0s, lag: 0}, {at: 10m, lag: 100}]
`

func unixMilli(minutes float64) string {
	return strconv.FormatInt(testStart.Add(time.Duration(minutes*float64(time.Minute))).UnixMilli(), 10)
}

func TestWindow(t *testing.T) {
	s := startYAML(t, twoGroups)
	s.clock.advance(5 * time.Minute)
	tests := map[string]struct {
		changes []string
		want    map[string][]string
	}{
		"start is exclusive, end inclusive": {
			changes: []string{"StartTime", unixMilli(1), "EndTime", unixMilli(3)},
			want:    map[string][]string{"flat": {"2=7", "3=7"}, "late": {"2=0"}, "rising": {"2=20", "3=30"}},
		},
		"only what is published": {
			changes: []string{"StartTime", unixMilli(1.5), "EndTime", unixMilli(60)},
			want:    map[string][]string{"flat": {"2=7", "3=7", "4=7"}, "late": {"2=0"}, "rising": {"2=20", "3=30", "4=40"}},
		},
		"history before the start": {
			changes: []string{"StartTime", unixMilli(-2), "EndTime", unixMilli(0)},
			want:    map[string][]string{"flat": {"-1=7", "0=7"}, "late": {"-1=0", "0=0"}, "rising": {"-1=0", "0=0"}},
		},
		"nothing is aligned in the window": {
			changes: []string{"StartTime", unixMilli(1.1), "EndTime", unixMilli(1.9)},
			want:    map[string][]string{},
		},
		"15 seconds": {
			changes: []string{"Period", "15", "StartTime", unixMilli(1), "EndTime", unixMilli(1.5)},
			want:    map[string][]string{"flat": {"1.25=7", "1.5=7"}, "late": {"1.25=0", "1.5=0"}, "rising": {"1.25=13", "1.5=15"}},
		},
		"5 minutes": {
			changes: []string{"Period", "300", "StartTime", unixMilli(-6), "EndTime", unixMilli(5)},
			want:    map[string][]string{"flat": {"-5=7", "0=7"}, "late": {"-5=0", "0=0"}, "rising": {"-5=0", "0=0"}},
		},
		"one instance": {
			changes: []string{"StartTime", unixMilli(3), "Dimensions", `[{"instanceId":"b"},{"instanceId":"c"}]`},
			want:    map[string][]string{"rising": {"4=40"}},
		},
		"one group": {
			changes: []string{"StartTime", unixMilli(3), "Dimensions", `{"instanceId":"a","consumerGroup":"flat"}`},
			want:    map[string][]string{"flat": {"4=7"}},
		},
		"unknown instance": {
			changes: []string{"Dimensions", `[{"instanceId":"c"}]`},
			want:    map[string][]string{},
		},
		"metric without series": {
			changes: []string{"MetricName", MetricTopicAccumulation},
			want:    map[string][]string{},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, s.points(s.params(tt.changes...)))
		})
	}
}

func TestLifeOfGroups(t *testing.T) {
	s := startYAML(t, `
instances:
  - id: a
    groups:
      - {name: short, start: 1m, end: 3m, lag: [{at: 0s, lag: 5}]}
      - {name: waves, repeat: true, lag: [{at: 0s, lag: 0}, {at: 2m, lag: 10}]}
      - {name: spike, lag: [{at: 1m, lag: 4}, {at: 2m, lag: 9}]}
`)
	s.clock.advance(5 * time.Minute)
	assert.Equal(t, map[string][]string{
		"short": {"1=5", "2=5"},
		"waves": {"-1=0", "0=0", "1=5", "2=0", "3=5", "4=0", "5=5"},
		"spike": {"-1=4", "0=4", "1=4", "2=9", "3=9", "4=9", "5=9"},
	}, s.points(s.params("StartTime", unixMilli(-2))))
}

const topics = `
instances:
  - id: a
    groups:
      - name: g
        topics:
          - {name: t1, lag: [{at: 0s, lag: 1}]}
          - {name: t2, lag: [{at: 0s, lag: 20}]}
      - {name: plain, lag: [{at: 0s, lag: 0}]}
`

func TestTopics(t *testing.T) {
	s := startYAML(t, topics)
	start := unixMilli(-1)
	assert.Equal(t, map[string][]string{"g": {"0=21"}, "plain": {"0=0"}}, s.points(s.params("StartTime", start)))
	assert.Equal(t, map[string][]string{"g/t1": {"0=1"}, "g/t2": {"0=20"}},
		s.points(s.params("StartTime", start, "MetricName", MetricTopicAccumulation)))
	assert.Equal(t, map[string][]string{"g/t2": {"0=20"}},
		s.points(s.params("StartTime", start, "MetricName", MetricTopicAccumulation, "Dimensions", `{"topic":"t2"}`)))
}

func TestAddPoints(t *testing.T) {
	s := start(t, Options{})
	at := func(minutes int) time.Time { return testStart.Add(time.Duration(minutes) * time.Minute) }
	value := map[string]float64{"Value": 42}
	require.NoError(t, s.AddPoints(
		Point{Timestamp: at(-1), InstanceID: "a", ConsumerGroup: "g", Statistics: value},
		Point{Timestamp: at(-2), InstanceID: "a", ConsumerGroup: "g", Statistics: value},
		Point{Timestamp: at(-1), InstanceID: "a", ConsumerGroup: "late", Statistics: value, PublishedAt: at(3)},
		Point{Timestamp: at(1), InstanceID: "b", ConsumerGroup: "future", Statistics: value},
		Point{Timestamp: at(-1), InstanceID: "b", ConsumerGroup: "g", Topic: "t", Metric: MetricTopicAccumulation, Statistics: value},
		Point{Timestamp: at(-3), InstanceID: "b", Raw: `{"timestamp":"soon"}`},
	))
	all := s.params("EndTime", unixMilli(5))
	status, body := s.ask(all)
	assert.Equal(t, 200, status)
	assert.Contains(t, body, `{\"timestamp\":\"soon\"},{\"timestamp\":`)
	onA := s.params("EndTime", unixMilli(5), "Dimensions", `{"instanceId":"a"}`)
	assert.Equal(t, map[string][]string{"g": {"-2=42", "-1=42"}}, s.points(onA))
	s.clock.advance(3 * time.Minute)
	assert.Equal(t, map[string][]string{"g": {"-2=42", "-1=42"}, "late": {"-1=42"}}, s.points(onA))
	assert.Equal(t, map[string][]string{"future": {"1=42"}},
		s.points(s.params("StartTime", unixMilli(0), "EndTime", unixMilli(5))))
	assert.Equal(t, map[string][]string{"g/t": {"-1=42"}}, s.points(s.params("MetricName", MetricTopicAccumulation)))
}

// TestAddedPointsInOrder: points that were added come in the order of time between those of the scenario.
func TestAddedPointsInOrder(t *testing.T) {
	s := startYAML(t, oneGroup)
	for _, minutes := range []float64{-2, -1.5, -1, -0.5, 0} {
		require.NoError(t, s.AddPoints(Point{
			Timestamp: testStart.Add(time.Duration(minutes * float64(time.Minute))), InstanceID: "a", ConsumerGroup: "g",
			Statistics: map[string]float64{"Value": 1},
		}))
	}
	assert.Equal(t, map[string][]string{"g": {"-1.5=1", "-1=7", "-1=1", "-0.5=1", "0=7", "0=1"}},
		s.points(s.params("StartTime", unixMilli(-2))))
}

// TestByName: only the series that are named are returned, with all of their dimensions.
func TestByName(t *testing.T) {
	sc := Scenario{Instances: []Instance{{ID: "a"}, {ID: "b"}}}
	for i := range sc.Instances {
		for g := range 60 {
			sc.Instances[i].Groups = append(sc.Instances[i].Groups, Group{
				Name: fmt.Sprintf("g%d", g), Topics: []Topic{{Name: "t1", Lag: []LagAt{{}}}, {Name: "t2", Lag: []LagAt{{}}}},
			})
		}
	}
	s := start(t, Options{Scenario: sc})
	for metric, topic := range map[string]string{MetricAccumulation: "", MetricTopicAccumulation: "t2"} {
		var names []map[string]string
		want := map[string]bool{}
		for g := range 50 {
			d := map[string]string{"instanceId": []string{"a", "b"}[g%2], "consumerGroup": fmt.Sprintf("g%d", g)}
			if topic != "" {
				d["topic"] = topic
			}
			names = append(names, d)
			want[d["instanceId"]+d["consumerGroup"]+topic] = true
		}
		text, err := json.Marshal(names)
		require.NoError(t, err)
		got := map[string]bool{}
		points := s.page(s.params("MetricName", metric, "StartTime", unixMilli(-1), "Dimensions", string(text))).points(t)
		for _, p := range points {
			got[p.InstanceID+p.ConsumerGroup+p.Topic] = true
		}
		assert.Len(t, points, 50)
		assert.Equal(t, want, got)
		last := s.Requests()[len(s.Requests())-1]
		assert.Equal(t, []string{"a", "b"}, last.Instances)
		assert.Len(t, last.Groups, 50)
	}
}

func TestAddedPointAsItIs(t *testing.T) {
	s := start(t, Options{})
	require.NoError(t, s.AddPoints(Point{
		Timestamp: testStart, UserID: "7", InstanceID: `a"b`, ConsumerGroup: "<g>",
		Statistics: map[string]float64{"Maximum": 1e21, "Average": 0.5},
	}))
	text, ok := s.page(s.params()).Datapoints.(string)
	require.True(t, ok)
	assert.JSONEq(t, `[{"timestamp":1700002800000,"userId":"7","instanceId":"a\"b","consumerGroup":"<g>","Average":0.5,"Maximum":1000000000000000000000}]`, text)
}

// TestNumbers: what JSON has no number for is sent bare.
func TestNumbers(t *testing.T) {
	s := start(t, Options{})
	require.NoError(t, s.AddPoints(Point{Timestamp: testStart, InstanceID: "a", ConsumerGroup: "g", Statistics: map[string]float64{
		"A": math.NaN(), "B": math.Inf(1), "C": math.Inf(-1), "D": -0.5, "E": 1e15,
	}}))
	text, ok := s.page(s.params()).Datapoints.(string)
	require.True(t, ok)
	assert.Contains(t, text, `{"timestamp":1700002800000,"userId":"1000000000000001","instanceId":"a","consumerGroup":"g","A":NaN,"B":Infinity,"C":-Infinity,"D":-0.5,"E":1000000000000000}]`)
}

func TestAddPointsRejects(t *testing.T) {
	good := Point{Timestamp: testStart, InstanceID: "a", ConsumerGroup: "g", Statistics: map[string]float64{"Value": 1}}
	tests := map[string]func(*Point){
		`metric "x" is not`:        func(p *Point) { p.Metric = "x" },
		"timestamp is missing":     func(p *Point) { p.Timestamp = time.Time{} },
		"instance_id is missing":   func(p *Point) { p.InstanceID = "" },
		"either statistics or raw": func(p *Point) { p.Raw = "7" },
		"give either":              func(p *Point) { p.Statistics = nil },
	}
	s := start(t, Options{})
	for want, spoil := range tests {
		p := good
		spoil(&p)
		err := s.AddPoints(good, p)
		require.ErrorContains(t, err, "points[1]: ")
		require.ErrorContains(t, err, want)
	}
	assert.Empty(t, s.points(s.params()), "some were added")
}

func TestPaging(t *testing.T) {
	s := startYAML(t, "publication_delay: 60s\ngenerate: {instances: 5, groups_per_instance: 10}")
	s.clock.advance(10 * time.Minute)
	params := s.params("StartTime", unixMilli(0), "EndTime", unixMilli(9), "Length", "100")
	want := map[point]bool{}
	var sizes []int
	for {
		p := s.page(params)
		points := p.points(t)
		sizes = append(sizes, len(points))
		for _, x := range points {
			require.False(t, want[x], "%v came twice", x)
			want[x] = true
		}
		token, ok := p.NextToken.(string)
		if !ok {
			break
		}
		params.Set("NextToken", token)
		// What is published later disturbs no page to come.
		s.clock.advance(time.Minute)
		require.NoError(t, s.AddPoints(Point{
			Timestamp: testStart.Add(time.Minute), InstanceID: "x", ConsumerGroup: "x", Statistics: map[string]float64{"Value": 1},
		}))
	}
	assert.Equal(t, []int{100, 100, 100, 100, 50}, sizes)
	assert.Len(t, want, 9*5*10)
	assert.Equal(t, params.Get("NextToken"), s.Requests()[4].NextToken)
}

func TestTokenOfAnotherQuery(t *testing.T) {
	s := startYAML(t, "generate: {instances: 2, groups_per_instance: 2}")
	token, ok := s.page(s.params("Length", "3")).NextToken.(string)
	require.True(t, ok)
	assert.Len(t, s.page(s.params("NextToken", token)).points(t), 37, "another Length goes with it")
	for _, change := range [][]string{
		{"Period", "15"},
		{"StartTime", unixMilli(-1)},
		{"EndTime", unixMilli(1)},
		{"MetricName", MetricTopicAccumulation},
		{"Dimensions", `[{"instanceId":"i"}]`},
	} {
		status, body := s.ask(s.params(append(change, "NextToken", token)...))
		assert.Equal(t, 400, status, change)
		assert.Contains(t, body, "NextToken")
	}
}

// BenchmarkPage is a full page of a big account.
func BenchmarkPage(b *testing.B) {
	s, err := New(Options{Scenario: Scenario{Generate: Generate{Instances: 120, GroupsPerInstance: 10}}})
	require.NoError(b, err)
	now := s.Now().Truncate(time.Minute)
	q := query{metric: MetricAccumulation, period: time.Minute, start: now.Add(-10 * time.Minute), end: now, length: maxLength}
	for b.Loop() {
		if points, _ := s.page(q, ""); len(points) != maxLength {
			b.Fatal(len(points))
		}
	}
}
