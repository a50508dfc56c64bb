package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxRows fit a terminal; the highest lags are the ones to look at.
const maxRows = 20

// table renders the rows, the highest lag first.
func table(rows []row, arrows map[series]string, now time.Time) string {
	rows = slices.SortedFunc(slices.Values(rows), func(a, b row) int {
		return cmp.Or(cmp.Compare(b.lag, a.lag), cmp.Compare(a.group, b.group), cmp.Compare(a.instance, b.instance))
	})
	cells := [][]string{{"CONSUMER GROUP", "INSTANCE", "LAG", "", "AGE"}}
	for _, r := range rows[:min(maxRows, len(rows))] {
		age := now.Sub(r.at).Round(time.Second)
		cells = append(cells, []string{r.group, r.instance, thousands(r.lag), arrows[r.series], age.String()})
	}

	width := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&b, "%-*s  %-*s  %*s %-*s  %*s\n",
			width[0], c[0], width[1], c[1], width[2], c[2], width[3], c[3], width[4], c[4])
	}
	if more := len(rows) - maxRows; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

// thousands formats 1234567 as 1,234,567.
func thousands(lag float64) string {
	digits := strconv.FormatFloat(lag, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// trends remembers the points shown last, to tell where the lag goes.
type trends map[series]trend

type trend struct {
	row
	arrow string
}

// update takes the newest rows and returns an arrow for each series: up, down or level
// against the point before, nothing for a first point.
func (t trends) update(rows []row) map[series]string {
	arrows := map[series]string{}
	before := trends{}
	for s, tr := range t {
		before[s] = tr
	}
	clear(t)
	for _, r := range rows {
		last, known := before[r.series]
		arrow := last.arrow
		if known && r.at.After(last.at) {
			arrow = [...]string{"↓", "→", "↑"}[1+cmp.Compare(r.lag, last.lag)]
		}
		t[r.series] = trend{r, arrow}
		arrows[r.series] = arrow
	}
	return arrows
}
