package cmssim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of DescribeMetricList, from CloudMonitor's documentation of it.
const (
	namespace     = "acs_kafka"
	maxWindow     = 31 * 24 * time.Hour
	defaultPeriod = time.Minute
	minPeriod     = 15 * time.Second
	defaultLength = 1000
	maxLength     = 1440
)

// minTime is the earliest time accepted: less means that seconds were sent, not milliseconds.
const minTime = 100_000_000_000

// knownParameters are refused when misspelt, although the service is said to ignore what it does not know.
var knownParameters = []string{
	"Namespace", "MetricName", "Period", "StartTime", "EndTime", "Dimensions", "NextToken", "Length", "RegionId",
}

// query is what DescribeMetricList was asked for.
type query struct {
	metric     string
	period     time.Duration
	start, end time.Time // (start, end]
	length     int
	dimensions []dimensions // none is every series
	nextToken  string
	cursor     cursor // of nextToken
}

// instances returns the instance IDs that the query names, none for all.
func (q query) instances() []string {
	var ids []string
	for _, d := range q.dimensions {
		if id := d["instanceId"]; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func parseQuery(params url.Values, accountID string) (query, *serviceError) {
	p := parameters{values: params}
	p.checkNames()
	q := query{
		metric:    p.text("MetricName"),
		period:    p.period(),
		start:     p.time("StartTime"),
		end:       p.time("EndTime"),
		length:    p.length(),
		nextToken: params.Get("NextToken"),
	}
	p.checkWindow(q.start, q.end)
	if p.text("Namespace") != namespace {
		p.refuse(errResource.explain("Namespace %q is not %s.", params.Get("Namespace"), namespace))
	}
	if q.metric != MetricAccumulation && q.metric != MetricTopicAccumulation {
		p.refuse(errResource.explain("MetricName %q is not %s or %s.", q.metric, MetricAccumulation, MetricTopicAccumulation))
	}
	if p.err == nil {
		p.parseDimensions(&q, accountID)
	}
	if p.err == nil && q.nextToken != "" {
		p.parseNextToken(&q)
	}
	return q, p.err
}

// parameters reads values and keeps the first error.
type parameters struct {
	values url.Values
	err    *serviceError
}

func (p *parameters) refuse(err *serviceError) {
	if p.err == nil {
		p.err = err
	}
}

// invalid refuses a parameter with what it has to be.
func (p *parameters) invalid(name, rule string, args ...any) {
	p.refuse(errParameter.explain("%s %q is invalid: %s.", name, p.values.Get(name), fmt.Sprintf(rule, args...)))
}

func (p *parameters) checkNames() {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		switch {
		case !slices.Contains(knownParameters, name):
			p.invalid(name, "the parameters are %s", strings.Join(knownParameters, ", "))
		case len(p.values[name]) > 1:
			p.invalid(name, "it is given %d times, allowed is once", len(p.values[name]))
		}
	}
}

func (p *parameters) text(name string) string {
	v := p.values.Get(name)
	if v == "" {
		p.invalid(name, "it is required")
	}
	return v
}

func (p *parameters) period() time.Duration {
	if !p.values.Has("Period") {
		return defaultPeriod
	}
	seconds, err := strconv.Atoi(p.values.Get("Period"))
	if err != nil || seconds <= 0 || seconds > int(maxWindow/time.Second) || seconds != 15 && seconds%60 != 0 {
		p.invalid("Period", "it is 15 or a multiple of 60, in seconds, at most 31 days")
		return defaultPeriod
	}
	return time.Duration(seconds) * time.Second
}

func (p *parameters) time(name string) time.Time {
	ms, err := strconv.ParseInt(p.text(name), 10, 64)
	if err != nil || ms < minTime || ms > minTime*100 {
		p.invalid(name, "it is a unix time in milliseconds")
	}
	return time.UnixMilli(ms).UTC()
}

func (p *parameters) checkWindow(start, end time.Time) {
	switch {
	case !start.Before(end):
		p.invalid("StartTime", "it has to be before EndTime %q", p.values.Get("EndTime"))
	case end.Sub(start) > maxWindow:
		p.invalid("EndTime", "it is at most 31 days after StartTime %q", p.values.Get("StartTime"))
	}
}

func (p *parameters) length() int {
	if !p.values.Has("Length") {
		return defaultLength
	}
	n, err := strconv.Atoi(p.values.Get("Length"))
	if err != nil || n < 1 || n > maxLength {
		p.invalid("Length", "it is 1 to %d", maxLength)
	}
	return n
}

func (p *parameters) parseDimensions(q *query, accountID string) {
	if !p.values.Has("Dimensions") {
		return
	}
	var err error
	if q.dimensions, err = parseDimensions(p.values.Get("Dimensions"), q.metric, accountID); err != nil {
		p.refuse(errParameter.explain("Dimensions is invalid: %v.", err))
	}
}

func (p *parameters) parseNextToken(q *query) {
	var ok bool
	if q.cursor, ok = parseToken(q.nextToken, *q); !ok {
		p.invalid("NextToken", "it is not one that this query was given")
	}
}
