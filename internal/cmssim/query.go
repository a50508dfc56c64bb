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

// Limits of DescribeMetricList.
const (
	namespace     = "acs_kafka"
	maxWindow     = 31 * 24 * time.Hour
	defaultPeriod = 60 // seconds
	defaultLength = 1000
	maxLength     = 1440
)

// minTime and maxTime bound a time in milliseconds: one in seconds or microseconds lies outside.
const minTime, maxTime = 100_000_000_000, 10_000_000_000_000

// knownParameters are the parameters of DescribeMetricList. Others are rejected, since they are probably misspelt.
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

// parseQuery parses and checks the parameters of a call.
func parseQuery(params url.Values) (query, *serviceError) {
	p := parameters{values: params}
	p.checkNames(knownParameters)
	q := query{
		metric:    params.Get("MetricName"),
		period:    p.period(),
		start:     p.time("StartTime"),
		end:       p.time("EndTime"),
		length:    p.number("Length", defaultLength),
		nextToken: params.Get("NextToken"),
	}
	p.check("Length", q.length >= 1 && q.length <= maxLength, "it is 1 to %d", maxLength)
	p.check("StartTime", q.start.Before(q.end), "it has to be before EndTime")
	p.check("EndTime", q.end.Sub(q.start) <= maxWindow, "it is at most 31 days after StartTime")
	switch {
	case p.err != nil:
	case params.Get("Namespace") != namespace:
		p.err = errResource.explain("Namespace %q is not %s.", params.Get("Namespace"), namespace)
	case q.metric != MetricAccumulation && q.metric != MetricTopicAccumulation:
		p.err = errResource.explain("MetricName %q is not %s or %s.", q.metric, MetricAccumulation, MetricTopicAccumulation)
	default:
		q.dimensions = p.dimensions(q.metric)
	}
	if p.err == nil && q.nextToken != "" {
		var ok bool
		q.cursor, ok = parseToken(q.nextToken, q)
		p.check("NextToken", ok, "it does not belong to this query")
	}
	return q, p.err
}

// instances returns the instance IDs that the query names, none for all.
func (q query) instances() []string { return q.named("instanceId") }

// groups returns the consumer groups that the query names, none for all.
func (q query) groups() []string { return q.named("consumerGroup") }

// named returns the values that the query names for a dimension, each once.
func (q query) named(key string) []string {
	var values []string
	for _, d := range q.dimensions {
		if v := d[key]; v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// parameters reads values and keeps the first error.
type parameters struct {
	values url.Values
	err    *serviceError
}

// check keeps an error that names a parameter, its value and what it has to be, unless ok.
func (p *parameters) check(name string, ok bool, rule string, args ...any) {
	if !ok && p.err == nil {
		p.err = errParameter.explain("%s %q is invalid: %s.", name, p.values.Get(name), fmt.Sprintf(rule, args...))
	}
}

func (p *parameters) checkNames(known []string) {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		p.check(name, slices.Contains(known, name), "the parameters are %s", strings.Join(known, ", "))
	}
}

// number returns a whole number, or fallback if there is none.
func (p *parameters) number(name string, fallback int) int {
	if !p.values.Has(name) {
		return fallback
	}
	n, err := strconv.Atoi(p.values.Get(name))
	p.check(name, err == nil, "it is a whole number")
	return n
}

func (p *parameters) period() time.Duration {
	seconds := p.number("Period", defaultPeriod)
	p.check("Period", seconds == 15 || seconds > 0 && seconds%60 == 0 && seconds <= int(maxWindow/time.Second),
		"it is 15 or a multiple of 60, in seconds")
	return time.Duration(seconds) * time.Second
}

func (p *parameters) time(name string) time.Time {
	ms := p.number(name, 0)
	p.check(name, ms >= minTime && ms < maxTime, "it is a unix time in milliseconds")
	return time.UnixMilli(int64(ms)).UTC()
}

func (p *parameters) dimensions(metric string) []dimensions {
	if !p.values.Has("Dimensions") {
		return nil
	}
	list, err := parseDimensions(p.values.Get("Dimensions"), metric)
	if err != nil {
		p.err = errParameter.explain("Dimensions is invalid: %v.", err)
	}
	return list
}
