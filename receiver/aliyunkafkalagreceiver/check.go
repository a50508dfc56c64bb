package aliyunkafkalagreceiver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// Report is what [Check] found.
type Report struct {
	Receiver       string    `json:"receiver"`
	Endpoint       string    `json:"endpoint"`
	Credentials    string    `json:"credentials"`     // which are used and where they were found, never a secret
	Groups         []Group   `json:"groups"`          // the highest lag first
	ExcludedGroups int       `json:"excluded_groups"` // names of groups that consumer_groups leaves out
	Silent         []string  `json:"silent_instances,omitempty"`
	Failures       []Problem `json:"failures,omitempty"`
	Calls          int64     `json:"calls"`                     // that the check made
	ProjectedCalls int64     `json:"projected_calls_per_month"` // at least
	FreeQuota      int       `json:"free_quota_per_month"`
	OK             bool      `json:"ok"` // a current point was read, and nothing failed
}

// Group is the newest point of a series.
type Group struct {
	InstanceID    string  `json:"instance_id"`
	ConsumerGroup string  `json:"consumer_group"`
	Topic         string  `json:"topic,omitempty"`
	Lag           float64 `json:"lag"`
	AgeSeconds    float64 `json:"age_seconds"`
}

// Problem is why something could not be read.
type Problem struct {
	What   string `json:"what"` // the batch, or "configuration"
	Kind   string `json:"kind,omitempty"`
	Error  string `json:"error"`            // names the error code of the service and the remedy
	Action string `json:"action,omitempty"` // the RAM action that is missing
}

// Check makes the first scrape of a receiver and reports what it found. Nothing is delivered or stored. An error means that
// the receiver would not start.
func Check(ctx context.Context, cfg *Config, set receiver.Settings, host component.Host) (*Report, error) {
	r, err := newReceiver(cfg, set, nil, cms.NewClient, &instanceClaims{})
	if err != nil {
		return nil, err
	}
	return r.check(ctx, host)
}

// check connects and scrapes once, without the loop.
func (r *lagReceiver) check(ctx context.Context, host component.Host) (*Report, error) {
	if err := r.connect(ctx, host); err != nil {
		return nil, err
	}
	defer r.closeIdle()
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	bounds, excluded := r.cfg.bounds(), &nameSet{names: map[string]bool{}}
	bounds.Wanted = excluded.without(bounds.Wanted)
	r.tracker = lag.NewTracker(bounds, r.cfg.sources(), r.cfg.Instances)
	streams := r.tracker.Streams() // before the scrape: an instance that it sets aside is rarely asked for
	result, calls := r.readStreams(ctx)

	report := &Report{
		Receiver: r.set.ID.String(), Endpoint: r.cfg.endpointURL(), Credentials: r.cfg.Credentials.Settings().Describe(),
		Groups: groupsOf(result.Entries, r.clock.now()), ExcludedGroups: len(excluded.names), Calls: calls, FreeQuota: freeQuota,
		ProjectedCalls: projectedCalls(float64(streams), r.cfg.CollectionInterval),
	}
	for _, f := range result.Failures {
		report.Failures = append(report.Failures, problemOf(f.Stream, f.Err))
	}
	for _, b := range result.Bad {
		report.Failures = append(report.Failures, problemOf("instance "+b.Instance, b.Err))
	}
	if len(report.Failures) == 0 {
		report.Silent = without(r.cfg.Instances, report.Groups, func(g Group) string { return g.InstanceID })
	}
	report.OK = len(report.Groups) > 0 && len(report.Failures) == 0
	return report, nil
}

// nameSet holds the names of groups that are not wanted. Adding to it is safe for concurrent use.
type nameSet struct {
	mu    sync.Mutex
	names map[string]bool
}

// without returns wanted, which then also adds each group that it does not want.
func (s *nameSet) without(wanted func(group string) bool) func(group string) bool {
	return func(group string) bool {
		if wanted(group) {
			return true
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.names[group] = true
		return false
	}
}

func groupsOf(entries []lag.Entry, now time.Time) []Group {
	groups := []Group{}
	for _, e := range entries {
		if n := len(e.Samples); n > 0 {
			groups = append(groups, Group{
				InstanceID: e.Series.Instance, ConsumerGroup: e.Series.Group, Topic: e.Series.Topic, Lag: e.Samples[n-1].Value,
				AgeSeconds: now.Sub(time.UnixMilli(e.Samples[n-1].Timestamp)).Round(time.Second).Seconds(),
			})
		}
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(a.InstanceID, b.InstanceID), cmp.Compare(a.ConsumerGroup, b.ConsumerGroup), cmp.Compare(a.Topic, b.Topic))
	})
	return groups
}

func problemOf(what string, err error) Problem {
	p := Problem{What: what, Error: err.Error(), Kind: string(alicloud.KindOf(err))}
	if e, ok := errors.AsType[*alicloud.Error](err); ok && e.Kind == alicloud.KindForbidden {
		p.Action = "cms:QueryMetricList"
	}
	return p
}
