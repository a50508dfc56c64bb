package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/width"
)

// maxRows fit a terminal; the highest lags are the ones to look at.
const maxRows = 20

// thresholds of the policy "steps", and the colours of a lag over each of them.
var thresholds = []struct {
	lag    float64
	colour string
}{{200_000, "\x1b[31;1m"}, {150_000, "\x1b[31m"}, {100_000, "\x1b[33m"}, {50_000, "\x1b[36m"}}

// table renders the rows, the highest lag first, in colour if that is wanted.
func table(rows []row, seen trends, now time.Time, colours bool) string {
	rows = highestFirst(rows)
	cells := [][]string{{"CONSUMER GROUP", "INSTANCE", "LAG", "", "AGE", ""}}
	lags := []float64{0}
	for _, r := range rows[:min(maxRows, len(rows))] {
		age := now.Sub(r.at).Round(time.Second)
		trend := seen[r.series]
		cells = append(cells, []string{r.group, r.instance, thousands(r.lag), trend.arrow, age.String(), trend.line()})
		lags = append(lags, r.lag)
	}

	var b strings.Builder
	for i, c := range cells {
		pad := padding(cells, c)
		line := c[0] + pad[0] + "  " + c[1] + pad[1] + "  " + pad[2] + c[2] + " " + c[3] + pad[3] + "  " + pad[4] + c[4] + "  " + c[5]
		b.WriteString(paint(strings.TrimRight(line, " "), lags[i], colours) + "\n")
	}
	if more := len(rows) - maxRows; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

func highestFirst(rows []row) []row {
	return slices.SortedFunc(slices.Values(rows), func(a, b row) int {
		return cmp.Or(cmp.Compare(b.lag, a.lag), cmp.Compare(a.group, b.group), cmp.Compare(a.instance, b.instance))
	})
}

// padding returns the spaces that make each cell of a line as wide as its column.
func padding(cells [][]string, line []string) []string {
	pad := make([]string, len(line))
	for i := range line {
		width := 0
		for _, other := range cells {
			width = max(width, columns(other[i]))
		}
		pad[i] = strings.Repeat(" ", width-columns(line[i]))
	}
	return pad
}

// paint colours a line by its lag.
func paint(line string, lag float64, colours bool) string {
	for _, t := range thresholds {
		if colours && lag > t.lag {
			return t.colour + line + "\x1b[0m"
		}
	}
	return line
}

// columns returns how many columns of a terminal a text takes.
func columns(text string) (n int) {
	for _, r := range text {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}

// thousands formats 1234567 as 1,234,567.
func thousands(lag float64) string {
	digits := strconv.FormatFloat(lag, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// trends remembers the points that were shown, to tell where the lag goes.
type trends map[series]trend

type trend struct {
	row
	arrow string
	lags  []float64 // of the newest points, oldest first
}

// maxPoints is how many points the small line has.
const maxPoints = 24

// update takes the newest rows. The arrow of a series is up, down or level against the point before, nothing for a first point.
func (t trends) update(rows []row) {
	before := maps.Clone(t)
	clear(t)
	for _, r := range rows {
		last, known := before[r.series]
		next := trend{r, last.arrow, last.lags}
		if known && r.at.After(last.at) {
			next.arrow = [...]string{"↓", "→", "↑"}[1+cmp.Compare(r.lag, last.lag)]
		}
		if !known || r.at.After(last.at) {
			next.lags = append(next.lags, r.lag)
			next.lags = next.lags[max(0, len(next.lags)-maxPoints):]
		}
		t[r.series] = next
	}
}

// line draws the newest points, from 0 to the highest of them.
func (t trend) line() string {
	bars := []rune("▁▂▃▄▅▆▇█")
	if len(t.lags) < 2 {
		return ""
	}
	highest := max(slices.Max(t.lags), 1)
	var b strings.Builder
	for _, lag := range t.lags {
		b.WriteRune(bars[int(max(lag, 0)/highest*float64(len(bars)-1))])
	}
	return b.String()
}
