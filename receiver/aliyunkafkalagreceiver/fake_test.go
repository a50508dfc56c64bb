package aliyunkafkalagreceiver

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

// fakeCMS answers queries from published points as CloudMonitor does. It is safe for
// concurrent use.
type fakeCMS struct {
	mu        sync.Mutex
	now       func() time.Time
	points    []published
	malformed int
	queries   []cms.Query
	settings  cms.Settings
	// fail, when it is set, may answer a call with an error.
	fail func(ctx context.Context, q cms.Query) error
	// token, when it is set, replaces the reply's NextToken.
	token func(q cms.Query) string
}

type published struct {
	cms.Point
	at time.Time
}

func (f *fakeCMS) client(s cms.Settings) (cms.Client, error) {
	f.settings = s
	return f, nil
}

// publish makes points visible at once.
func (f *fakeCMS) publish(points ...cms.Point) {
	f.publishAt(time.Time{}, points...)
}

func (f *fakeCMS) publishAt(at time.Time, points ...cms.Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range points {
		f.points = append(f.points, published{p, at})
	}
}

func (f *fakeCMS) setFail(fail func(ctx context.Context, q cms.Query) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *fakeCMS) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queries)
}

func (f *fakeCMS) DescribeMetricList(ctx context.Context, q cms.Query) (cms.Page, error) {
	f.mu.Lock()
	f.queries = append(f.queries, q)
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, q); err != nil {
			return cms.Page{}, err
		}
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	matching := f.matching(q)
	offset := 0
	if q.NextToken != "" {
		offset, _ = strconv.Atoi(q.NextToken)
	}
	end := min(len(matching), offset+cms.PageLength)
	page := cms.Page{Points: matching[offset:end], Malformed: f.malformed}
	if end < len(matching) {
		page.NextToken = strconv.Itoa(end)
	}
	if f.token != nil {
		page.NextToken = f.token(q)
	}
	return page, nil
}

func (f *fakeCMS) matching(q cms.Query) []cms.Point {
	var out []cms.Point
	for _, p := range f.points {
		ts := time.UnixMilli(p.Timestamp)
		if ts.After(q.Start) && !ts.After(q.End) && !p.at.After(f.now()) && (p.Topic != "") == (q.MetricName == cms.MetricTopicAccumulation) &&
			(len(q.Instances) == 0 || slices.Contains(q.Instances, p.InstanceID)) {
			out = append(out, p.Point)
		}
	}
	return out
}

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
