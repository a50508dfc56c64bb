package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestTable(t *testing.T) {
	orders := row{series{"orders_docking_analog", "alikafka_a"}, 164000, noon.Add(-90 * time.Second)}
	audit := row{series{"审计", "alikafka_longer"}, 0, noon.Add(-9 * time.Second)}

	seen := trends{orders.series: {arrow: "↑", lags: []float64{0, 82000, 164000}}}
	got := table([]row{audit, orders}, seen, noon, false)
	assert.Equal(t, strings.TrimPrefix(`
CONSUMER GROUP         INSTANCE             LAG      AGE
orders_docking_analog  alikafka_a       164,000 ↑  1m30s  ▁▄█
审计                   alikafka_longer        0       9s
`, "\n"), got)
	assert.Contains(t, table([]row{audit, orders}, seen, noon, true), "\x1b[31morders_docking_analog")
}

func TestTableIsBounded(t *testing.T) {
	var rows []row
	for i := range maxRows + 5 {
		rows = append(rows, row{series{fmt.Sprint("group", i), "alikafka_a"}, float64(i), noon})
	}
	got := table(rows, nil, noon, false)
	assert.Contains(t, got, "group24 ")
	assert.NotContains(t, got, "group4 ")
	assert.Contains(t, got, "and 5 more\n")
}

func TestThousands(t *testing.T) {
	for lag, want := range map[float64]string{
		0: "0", 999: "999", 1000: "1,000", 164000.4: "164,000", 1234567: "1,234,567",
	} {
		assert.Equal(t, want, thousands(lag))
	}
}

func TestTrends(t *testing.T) {
	s := series{"orders", "alikafka_a"}
	seen := trends{}
	for _, step := range []struct {
		lag    float64
		second int
		want   string
	}{
		{100, 0, ""},
		{100, 0, ""}, // the same point again
		{200, 15, "↑"},
		{200, 15, "↑"},
		{200, 30, "→"},
		{0, 45, "↓"},
	} {
		at := noon.Add(time.Duration(step.second) * time.Second)
		seen.update([]row{{s, step.lag, at}})
		assert.Equal(t, step.want, seen[s].arrow)
	}
	assert.Equal(t, []float64{100, 200, 200, 0}, seen[s].lags)
	assert.Equal(t, "▄██▁", seen[s].line())
	seen.update(nil)
	assert.Empty(t, seen, "a series that is gone is forgotten")
}

func TestScreen(t *testing.T) {
	rows := []row{{series{"orders", "alikafka_a"}, 12, noon}}
	draw := func(terminal bool, rows []row, err error) string {
		var out strings.Builder
		s := &screen{out: &out, terminal: terminal, metricsURL: "http://127.0.0.1:9876/metrics", logFile: "dist/demo.log", trends: trends{}}
		s.draw(rows, err, noon)
		return out.String()
	}

	plain := draw(false, rows, nil)
	assert.Contains(t, plain, "12:00:00")
	assert.Contains(t, plain, "http://127.0.0.1:9876/metrics")
	assert.Contains(t, plain, "orders")
	assert.NotContains(t, plain, "\x1b")

	assert.Contains(t, draw(true, rows, nil), "\x1b[2J")
	assert.Contains(t, draw(false, nil, nil), "Log of the collector: dist/demo.log")
	assert.Contains(t, draw(false, nil, errors.New("refused")), "cannot be read: refused")
}

func TestColours(t *testing.T) {
	for lag, want := range map[float64]string{
		50_000: "x", 50_001: "\x1b[36mx\x1b[0m", 100_001: "\x1b[33mx\x1b[0m", 150_001: "\x1b[31mx\x1b[0m", 200_001: "\x1b[31;1mx\x1b[0m",
	} {
		assert.Equal(t, want, paint("x", lag, true))
		assert.Equal(t, "x", paint("x", lag, false))
	}
}

func TestTheLineIsBounded(t *testing.T) {
	seen := trends{}
	for i := range 100 {
		seen.update([]row{{series{}, float64(i), noon.Add(time.Duration(i) * time.Second)}})
	}
	assert.Len(t, seen[series{}].lags, maxPoints)
}
