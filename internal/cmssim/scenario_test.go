package cmssim

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseScenario(t *testing.T) {
	sc, err := parseScenario("test", []byte(`
publication_delay: 90s
instances:
  - id: a
    groups:
      - name: g
        extra_publication_delay: 2m
        start: 1m
        end: 1h
        repeat: true
        lag: [{at: 0s, lag: 1}, {at: 5m, lag: 2.5}]
      - name: h
        topics: [{name: t, repeat: true, lag: [{at: 0s, lag: 0}, {at: 1s, lag: 1}]}]
generate: {instances: 2, groups_per_instance: 3}
`))
	require.NoError(t, err)
	assert.Equal(t, Scenario{
		PublicationDelay: 90 * time.Second,
		Instances: []Instance{{ID: "a", Groups: []Group{
			{
				Name: "g", ExtraPublicationDelay: 2 * time.Minute, Start: time.Minute, End: time.Hour, Repeat: true,
				Lag: []LagAt{{Lag: 1}, {At: 5 * time.Minute, Lag: 2.5}},
			},
			{Name: "h", Topics: []Topic{{Name: "t", Repeat: true, Lag: []LagAt{{}, {At: time.Second, Lag: 1}}}}},
		}}},
		Generate: Generate{Instances: 2, GroupsPerInstance: 3},
	}, sc)
	all := sc.all()
	require.Len(t, all, 3)
	assert.Equal(t, Instance{ID: "alikafka_post-cn-generated-0001", Groups: []Group{
		{Name: "group_0000", Lag: []LagAt{{Lag: 3}}},
		{Name: "group_0001", Lag: []LagAt{{Lag: 4}}},
		{Name: "group_0002", Lag: []LagAt{{Lag: 5}}},
	}}, all[2])
}

func TestInvalidScenarios(t *testing.T) {
	group := func(text string) string { return "instances: [{id: a, groups: [{name: g, " + text + "}]}]" }
	long := strings.Repeat("x", 65)
	tests := map[string]string{
		"":                                       "file.yaml: it is empty",
		"- a":                                    "line 1: cannot unmarshal",
		"a: b: c":                                "mapping values are not allowed",
		"instanzen: []":                          "line 1: field instanzen not found",
		"publication_delay: 10":                  "line 1: cannot unmarshal !!int `10` into a duration such as 90s",
		"publication_delay: soon":                "`soon` into a duration such as 90s",
		"instances: [{groups: []}]":              `instance: the name "" has to have 1 to 64 bytes`,
		"instances: [{id: " + long + "}]":        "has to have 1 to 64 bytes",
		group("consumer: dead, lag: [{lag: 1}]"): `instance "a", group "g", consumer: "dead" is not stuck`,
		group("lag: []"):                         `instance "a", group "g", lag: it is empty`,
		group("lag: [{at: 0s, lag: -1}]"):        `instance "a", group "g", lag: -1 is not`,
		group("lag: [{at: 0s, lag: .nan}]"):      "lag: NaN is not",
		group("lag: [{at: 0s, lag: 1e16}]"):      "lag: 1e+16 is not",
		group("lag: [{at: 0s, lag: many}]"):      "line 1: cannot unmarshal",
		group("lag: [{at: -1s, lag: 1}]"):        `group "g", at: -1s is negative`,
		group("lag: [{at: 1s, lag: 1}, {at: 1s, lag: 2}]"):             "at: 1s is negative, or not after the entry before",
		group("lag: [{at: 1s, lag: 1}, {at: 1000us, lag: 2}]"):         "at: 1ms is negative, or not after the entry before",
		group("repeat: true, lag: [{at: 0s, lag: 1}]"):                 "repeat: it needs",
		group("lag: [{lag: 1}], topics: [{name: t, lag: [{lag: 1}]}]"): "lag: the lag of a group with topics",
		group("topics: [{name: t}]"):                                   `group "g", topic "t", lag: it is empty`,
		group("topics: [{lag: [{lag: 1}]}]"):                           `topic: the name ""`,
		"instances: [{id: a, groups: [{lag: [{lag: 1}]}]}]":            `the name ""`,
		"generate: {instances: -1, groups_per_instance: -1}":           "generate: -1 instances",
		"generate: {instances: 0, groups_per_instance: 200000}":        "generate: 0 instances with 200000 groups",
		"generate: {instances: 1000, groups_per_instance: 1000}":       "generate: 1000 instances with 1000 groups each are not 0 to 100000 groups",
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			sc, err := parseScenario("file.yaml", []byte(text))
			if err == nil {
				_, err = New(Options{Scenario: sc})
			}
			require.ErrorContains(t, err, want)
		})
	}
}

func TestLoadScenario(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.yaml")
	require.NoError(t, os.WriteFile(file, []byte("publication_delay: 7m"), 0o600))
	sc, err := LoadScenario(file)
	require.NoError(t, err)
	assert.Equal(t, 7*time.Minute, sc.PublicationDelay)

	_, err = LoadScenario("no-such-hour")
	require.ErrorContains(t, err, `"no-such-hour" is not the built-in scenario rush-hour, and not a file`)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRushHour(t *testing.T) {
	sc, err := LoadScenario("rush-hour")
	require.NoError(t, err)
	s := start(t, Options{Scenario: sc})
	_, body := s.ask(s.params())
	assert.Contains(t, body, "orders_docking_analog", "there is no history")

	s.clock.advance(11 * time.Minute)
	highest := map[string]float64{}
	var orders []float64
	for _, p := range s.page(s.params("StartTime", unixMilli(0), "EndTime", unixMilli(10), "Period", "15")).points(t) {
		highest[p.ConsumerGroup] = max(highest[p.ConsumerGroup], p.Value)
		if p.ConsumerGroup == "orders_docking_analog" {
			orders = append(orders, p.Value)
		}
		if p.ConsumerGroup == "cust_export_once" {
			assert.Less(t, p.Timestamp, testStart.Add(150*time.Second).UnixMilli())
		}
	}
	assert.Len(t, highest, 6)
	assert.Greater(t, highest["orders_docking_analog"], 150_000.0)
	assert.Greater(t, highest["cust_docking_analog"], 100_000.0)
	assert.Zero(t, highest["orders_audit"])
	require.Len(t, orders, 40)
	assert.Equal(t, orders[:20], orders[20:], "the story does not repeat")
}

func FuzzScenario(f *testing.F) {
	f.Add([]byte(twoGroups))
	f.Add([]byte(topics))
	f.Add([]byte("generate: {instances: 3, groups_per_instance: 2}"))
	f.Add(rushHour)
	f.Fuzz(func(t *testing.T, data []byte) {
		sc, err := parseScenario("fuzz", data)
		if err != nil || sc.Generate.Instances > 0 {
			return
		}
		s, err := New(Options{Scenario: sc, Clock: func() time.Time { return testStart }})
		if err != nil {
			return
		}
		q := query{
			metric: MetricAccumulation, period: time.Minute, start: testStart.Add(-time.Hour), end: testStart, length: maxLength,
		}
		points, _ := s.store.page(q, testStart, 0)
		for _, p := range points {
			require.True(t, json.Valid([]byte(p)), p)
		}
	})
}
