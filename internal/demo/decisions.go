package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// decision is what the ladder decided about the consumers of a group, as the collector logged it.
type decision struct {
	at     time.Time
	text   string
	group  string
	target string
	lag    float64
	stage  string // such as 1/3
}

// readDecisions returns the decisions in the collector's log, oldest first. A log that cannot be read has none.
func readDecisions(logFile string) (all []decision) {
	log, err := os.ReadFile(logFile)
	if err != nil {
		return nil
	}
	stages := map[string]string{} // of each group so far
	for line := range strings.Lines(string(log)) {
		d, ok := parseDecision(line)
		if !ok {
			continue
		}
		if d.stage == "" { // nothing was done, so the stage is what it was
			d.stage = stages[d.group]
		}
		stages[d.group] = d.stage
		all = append(all, d)
	}
	return all
}

// parseDecision parses a line of the log, and reports whether it is a decision.
func parseDecision(line string) (d decision, ok bool) {
	entry, ok := parseLogLine(line)
	if !ok || !strings.HasPrefix(entry.caller, "kafkalagremediationexporter/") {
		return d, false
	}
	var fields struct {
		Reason, Target, Group string
		Lag                   float64
		Stage, Stages         int
	}
	if json.Unmarshal([]byte(entry.fields), &fields) != nil || fields.Reason == "" || fields.Group == "" {
		return d, false
	}
	d = decision{text: entry.message, group: fields.Group, target: fields.Target, lag: fields.Lag}
	if d.at, _ = time.Parse("2006-01-02T15:04:05.000Z0700", entry.time); fields.Stages > 0 {
		d.stage = fmt.Sprintf("%d/%d", fields.Stage, fields.Stages)
	}
	return d, true
}

// ladderTable renders the rows with the newest decision about each group, the highest lag first, in colour if that is wanted.
func ladderTable(rows []row, seen trends, all []decision, now time.Time, colours bool) string {
	newest := map[string]decision{}
	for _, d := range all {
		newest[d.group] = d
	}
	cells := [][]string{{"CONSUMER GROUP", "LAG", "", "AGE", "STAGE", "DECIDED", "WHAT WOULD HAPPEN"}}
	lags := []float64{0}
	for _, r := range highestFirst(rows) {
		age := now.Sub(r.at).Round(time.Second)
		line := []string{r.group, thousands(r.lag), seen[r.series].arrow, age.String(), "-", "-", "-"}
		if d, ok := newest[r.group]; ok {
			line[4], line[5], line[6] = orDash(d.stage), d.at.Local().Format(time.TimeOnly), d.text
		}
		cells = append(cells, line)
		lags = append(lags, r.lag)
	}
	var b strings.Builder
	for i, c := range cells {
		pad := padding(cells, c)
		line := c[0] + pad[0] + "  " + pad[1] + c[1] + " " + c[2] + pad[2] + "  " + pad[3] + c[3] + "  " + c[4] + pad[4] + "  " + c[5] + pad[5] + "  " + c[6]
		b.WriteString(paint(strings.TrimRight(line, " "), lags[i], colours) + "\n")
	}
	return b.String()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// summary lists what would have been done about each group. A decision that was made again is listed once.
func summary(groups []string, all []decision) string {
	var b strings.Builder
	b.WriteString("\nWhat the ladder would have done; it was a dry run, and nothing was changed:\n")
	for _, group := range groups {
		lines := [][]string{}
		target, last := "", ""
		for _, d := range all {
			if d.group != group || d.text == last {
				continue
			}
			target, last = " → "+d.target, d.text
			lines = append(lines, []string{d.at.Local().Format(time.TimeOnly), "lag " + thousands(d.lag), orDash(d.stage), d.text})
		}
		b.WriteString("\n" + group + target + "\n")
		if len(lines) == 0 {
			b.WriteString("  nothing\n")
		}
		for _, c := range lines {
			pad := padding(lines, c)
			b.WriteString("  " + c[0] + "  " + c[1] + pad[1] + "  " + c[2] + pad[2] + "  " + c[3] + "\n")
		}
	}
	return b.String()
}
