package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ladderLine is a line of the log about a decision at noon and some seconds.
func ladderLine(second int, text, fields string) string {
	at := noon.Add(time.Duration(second) * time.Second).Format("2006-01-02T15:04:05.000Z")
	return fmt.Sprintf("%s\tinfo\tkafkalagremediationexporter/tell.go:69\t%s\t{\"target\": \"shop/Deployment/a\", %s}\n", at, text, fields)
}

// local is how the table shows a time.
func local(second int) string {
	return noon.Add(time.Duration(second) * time.Second).Local().Format(time.TimeOnly)
}

var ladderLog = strings.Join([]string{
	ladderLine(10, "The pods would be restarted", `"reason": "acted", "group": "a", "lag": 182000, "stage": 1, "stages": 3`),
	ladderLine(55, "The lag will be gone before the next check", `"reason": "draining", "group": "b", "lag": 589000`),
	"2026-01-01T00:00:00Z\tinfo\taliyunkafkalagreceiver/health.go:1\tReading\t{}\n",
	"2026-01-01T00:00:00Z\terror\tkafkalagremediationexporter/runner.go:345\tA target could not be checked\t{\"target\": \"shop/Deployment/a\"}\n",
	ladderLine(100, "All stages are done", `"reason": "exhausted", "group": "a", "lag": 260000`),
	ladderLine(145, "All stages are done", `"reason": "exhausted", "group": "a", "lag": 300000`),
	ladderLine(190, "Cut short", `"reason": "exhausted", "gro`),
}, "")

func testDecisions(t *testing.T) []decision {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	assert.Empty(t, readDecisions(file))
	require.NoError(t, os.WriteFile(file, []byte(ladderLog), 0o600))
	return readDecisions(file)
}

func TestReadDecisions(t *testing.T) {
	all := testDecisions(t)
	require.Len(t, all, 4)
	assert.Equal(t, decision{
		at: noon.Add(10 * time.Second), text: "The pods would be restarted", group: "a", target: "shop/Deployment/a", lag: 182_000, stage: "1/3",
	}, all[0])
	assert.Empty(t, all[1].stage, "nothing was done for that group before")
	assert.Equal(t, "1/3", all[2].stage, "the stage stays where nothing is done")
}

func TestLadderTable(t *testing.T) {
	rows := []row{
		{series{"c", "alikafka_a"}, 0, noon.Add(195 * time.Second)},
		{series{"a", "alikafka_a"}, 310_000, noon.Add(195 * time.Second)},
		{series{"b", "alikafka_a"}, 9_000, noon.Add(190 * time.Second)},
	}
	seen := trends{rows[1].series: {arrow: "↑"}}
	now := noon.Add(200 * time.Second)
	assert.Equal(t, `CONSUMER GROUP      LAG    AGE  STAGE  DECIDED   WHAT WOULD HAPPEN
a               310,000 ↑   5s  1/3    `+local(145)+`  All stages are done
b                 9,000    10s  -      `+local(55)+`  The lag will be gone before the next check
c                     0     5s  -      -         -
`, ladderTable(rows, seen, testDecisions(t), now, false))
	assert.Contains(t, ladderTable(rows, seen, nil, now, true), "\x1b[31;1ma ")
}

func TestSummary(t *testing.T) {
	assert.Equal(t, `
What the ladder would have done; it was a dry run, and nothing was changed:

a → shop/Deployment/a
  `+local(10)+`  lag 182,000  1/3  The pods would be restarted
  `+local(100)+`  lag 260,000  1/3  All stages are done

b → shop/Deployment/a
  `+local(55)+`  lag 589,000  -  The lag will be gone before the next check

c
  nothing
`, summary([]string{"a", "b", "c"}, testDecisions(t)))
}
