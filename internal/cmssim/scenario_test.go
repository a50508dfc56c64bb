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
	sc, err := ParseScenario("test", []byte(`
account_id: "42"
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
		AccountID:        "42",
		PublicationDelay: 90 * time.Second,
		Instances: []Instance{{ID: "a", Groups: []Group{
			{
				Name: "g", ExtraPublicationDelay: 2 * time.Minute, Start: time.Minute, End: time.Hour, Repeat: true,
				Lag: []LagAt{{Lag: 1}, {At: 5 * time.Minute, Lag: 2.5}},
			},
			{Name: "h", Topics: []Topic{{Name: "t", Repeat: true, Lag: []LagAt{{}, {At: time.Second, Lag: 1}}}}},
		}}},
		Generate: &Generate{Instances: 2, GroupsPerInstance: 3},
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
	tests := map[string][]string{
		"":                                {"it is empty"},
		"- a":                             {"line 1", "cannot unmarshal"},
		"a: b: c":                         {"mapping values are not allowed"},
		"{}\n---\na":                      {"after the first YAML document"},
		"instanzen: []":                   {`line 1, "instanzen: []"`, "field instanzen not found"},
		"\npublication_delay: 10":         {`line 2, "publication_delay: 10"`, "a duration such as 90s or 5m"},
		"publication_delay: soon":         {`"publication_delay: soon"`},
		"publication_delay: -1s":          {"publication_delay: -1s is not within 0s to 744h0m0s"},
		"account_id: " + long:             {"account_id: ", "longer than 64 bytes"},
		"publication_delay: 745h":         {"publication_delay: 745h0m0s is not within"},
		"account_id: [1]":                 {`line 1, "account_id: [1]"`},
		"instances: [{groups: []}]":       {`instances[0].id: "" has to have 1 to 64 bytes`},
		"instances: [{id: " + long + "}]": {"instances[0].id: ", "1 to 64 bytes"},
		"instances: [{id: a}, {id: a}]":   {`instances[1].id: "a" is there twice`},
		"instances: [{id: alikafka_post-cn-generated-1}]\ngenerate: {instances: 1, groups_per_instance: 1}": {"may be generated as well"},
		group("lag: []"):                                               {"instances[0].groups[0].lag: it is empty"},
		group("lag: [{at: 0s, lag: -1}]"):                              {"instances[0].groups[0].lag[0].lag: -1 is not"},
		group("lag: [{at: 0s, lag: .nan}]"):                            {"groups[0].lag[0].lag: NaN is not"},
		group("lag: [{at: 0s, lag: .inf}]"):                            {"groups[0].lag[0].lag: +Inf is not"},
		group("lag: [{at: 0s, lag: 1e16}]"):                            {"groups[0].lag[0].lag: 1e+16 is not"},
		group("lag: [{at: 0s, lag: many}]"):                            {"line 1", "many"},
		group("lag: [{at: -1s, lag: 1}]"):                              {"lag[0].at: -1s is negative"},
		group("lag: [{at: 1us, lag: 1}]"):                              {"lag[0].at: 1µs is not in whole milliseconds"},
		group("lag: [{at: 1s, lag: 1}, {at: 1s, lag: 2}]"):             {"lag[1].at: 1s is not after the entry before"},
		group("repeat: true, lag: [{at: 0s, lag: 1}]"):                 {"groups[0].repeat: true needs"},
		group("start: -1s, lag: [{at: 0s, lag: 1}]"):                   {"groups[0].start: -1s is negative"},
		group("start: 2m, end: 1m, lag: [{at: 0s, lag: 1}]"):           {"groups[0].end: 1m0s is not after start 2m0s"},
		group("extra_publication_delay: -5s, lag: [{lag: 1}]"):         {"groups[0].extra_publication_delay: -5s is not within"},
		group("lag: [{lag: 1}], topics: [{name: t, lag: [{lag: 1}]}]"): {"groups[0].lag: the lag of a group with topics"},
		group("topics: [{name: t}]"):                                   {"groups[0].topics[0].lag: it is empty"},
		group("topics: [{lag: [{lag: 1}]}]"):                           {`groups[0].topics[0].name: ""`},
		group("lag: [{lag: 1}]}, {name: g, lag: [{lag: 1}]"):           {`groups[1].name: "g" is there twice`},
		group("name: h"):                                               {"already defined"},
		"generate: {instances: 0, groups_per_instance: 200000}": {
			"generate.instances: 0 is not within 1 to 100000", "generate.groups_per_instance: 200000 is not within",
		},
		"generate: {instances: 1000, groups_per_instance: 1000}": {"generate: 1000 instances with 1000 groups each are more than 100000"},
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			_, err := ParseScenario("file.yaml", []byte(text))
			for _, part := range append(want, "file.yaml: ") {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestNewRefusesAnInvalidScenario(t *testing.T) {
	_, err := New(Options{Scenario: Scenario{Instances: []Instance{{}}}})
	require.ErrorContains(t, err, "scenario: instances[0].id")
}

func TestLoadScenario(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.yaml")
	require.NoError(t, os.WriteFile(file, []byte("account_id: '7'"), 0o600))
	sc, err := LoadScenario(file)
	require.NoError(t, err)
	assert.Equal(t, "7", sc.AccountID)

	_, err = LoadScenario("no-such-hour")
	require.ErrorContains(t, err, `"no-such-hour" is not a built-in scenario (rush-hour), and not a file`)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRushHour(t *testing.T) {
	require.Equal(t, []string{"rush-hour"}, BuiltinScenarios())
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
	rush, err := builtin.ReadFile("scenarios/rush-hour.yaml")
	require.NoError(f, err)
	f.Add(rush)
	f.Fuzz(func(t *testing.T, data []byte) {
		sc, err := ParseScenario("fuzz", data)
		if err != nil || sc.Generate != nil {
			return
		}
		s, err := New(Options{Scenario: sc, Clock: func() time.Time { return testStart }})
		require.NoError(t, err)
		q := query{
			metric: MetricAccumulation, period: time.Minute, start: testStart.Add(-time.Hour), end: testStart, length: maxLength,
		}
		points, _ := s.store.page(q, testStart, 0)
		for _, p := range points {
			require.True(t, json.Valid([]byte(p)), p)
		}
	})
}
