package harness

import (
	"strconv"
	"strings"
	"testing"
)

// Page is a collector with prometheus-scrape.yaml, and the page that it serves.
type Page struct {
	*Collector
	URL string
	t   testing.TB
}

// StartPage starts a collector on prometheus-scrape.yaml, as [StartCollector] does.
func StartPage(t testing.TB, cms *CMS, overrides string, env ...string) *Page {
	t.Helper()
	address := FreeAddress(t)
	c := StartCollector(t, cms, "prometheus-scrape.yaml", overrides, append(env, "METRICS_ENDPOINT="+address)...)
	return &Page{Collector: c, URL: "http://" + address + "/metrics", t: t}
}

// Series returns the lines of the lag.
func (p *Page) Series() []string {
	p.t.Helper()
	return Lines(Get(p.t, p.URL), "kafka_")
}

// Await waits until the page has exactly n series, and returns their lines.
func (p *Page) Await(n int) []string {
	p.t.Helper()
	var series []string
	Eventually(p.t, func() bool {
		series = p.Series()
		return len(series) == n
	}, "%d series are served", n)
	return series
}

// AwaitValue waits until a group has a value.
func (p *Page) AwaitValue(instance, group string, value float64) {
	p.t.Helper()
	want := Lag(instance, group, value)
	Eventually(p.t, func() bool { return len(Lines(Get(p.t, p.URL), want)) == 1 }, "the page has %s", want)
}

// Lag returns the line of a group.
func Lag(instance, group string, value float64) string {
	return `kafka_consumer_message_accumulation{consumer_group="` + group + `",instance_id="` + instance + `"} ` +
		strconv.FormatFloat(value, 'g', -1, 64)
}

// Lines returns the lines of a page that begin with prefix.
func Lines(page, prefix string) []string {
	var out []string
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}
