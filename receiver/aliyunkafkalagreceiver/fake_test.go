package aliyunkafkalagreceiver

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// fakeCMS answers queries from published points as CloudMonitor does. It is safe for concurrent use.
type fakeCMS struct {
	mu        sync.Mutex
	points    []lag.Point
	malformed int
	queries   []cms.Query
	settings  alicloud.Settings
	// fail, when it is set, may answer a call with an error.
	fail func(ctx context.Context, q cms.Query) error
	// token, when it is set, replaces the reply's NextToken.
	token func(q cms.Query) string
	// ahead is how far the Date headers are ahead of the local clock.
	ahead time.Duration
}

func (f *fakeCMS) client(s alicloud.Settings) (cms.Client, error) {
	f.settings = s
	return f, nil
}

func (f *fakeCMS) publish(points ...lag.Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.points = append(f.points, points...)
}

func (f *fakeCMS) setFail(fail func(ctx context.Context, q cms.Query) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *fakeCMS) setMalformed(points int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.malformed = points
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
	offset, _ := strconv.Atoi(q.NextToken)
	end := min(len(matching), offset+cms.PageLength)
	page := cms.Page{Malformed: f.malformed, Date: time.Now().Add(f.ahead).Truncate(time.Second)}
	if offset < end {
		page.Points = matching[offset:end]
	}
	if end < len(matching) {
		page.NextToken = strconv.Itoa(end)
	}
	if f.token != nil {
		page.NextToken = f.token(q)
	}
	return page, nil
}

func (f *fakeCMS) matching(q cms.Query) []lag.Point {
	var out []lag.Point
	for _, p := range f.points {
		if p.Timestamp > q.Start && p.Timestamp <= q.End && (p.Topic != "") == (q.MetricName == cms.MetricTopicAccumulation) &&
			(len(q.Instances) == 0 || slices.Contains(q.Instances, p.Instance)) && (len(q.Names) == 0 || slices.Contains(q.Names, p.Key)) {
			out = append(out, p)
		}
	}
	return out
}

func failWith(err error) func(context.Context, cms.Query) error {
	return func(context.Context, cms.Query) error { return err }
}

// hang is a call that gets no answer.
func hang(ctx context.Context, _ cms.Query) error {
	<-ctx.Done()
	kind := alicloud.KindNetwork
	if ctx.Err() == context.Canceled {
		kind = alicloud.KindCanceled
	}
	return &alicloud.Error{Kind: kind, Err: ctx.Err()}
}
