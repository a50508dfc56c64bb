package kafkalagremediationexporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alikafka"
)

const (
	// lookTimeout limits one look at all groups of a target, with the calls that are repeated.
	lookTimeout = 15 * time.Second
	// maxLooks is how many targets are looked at at once. Everything in an account shares 100 calls a second.
	maxLooks = 4
)

// confirmer asks AliKafka whether the consumers of a target are stuck or slow. Each question has a goroutine, so that the
// runner does not wait for it. There are about as many as targets may breach at once, since nothing is asked beyond that.
type confirmer struct {
	client *alikafka.Client
	wait   time.Duration
	logger *zap.Logger
	looks  chan struct{} // holds one for each look under way
	asking sync.WaitGroup

	mu     sync.Mutex
	failed map[alicloud.Kind]bool // kinds of errors that were logged since a look without any
}

// newConfirmer returns what asks AliKafka, nil if the configuration does not want it. It makes no call.
func (e *remediationExporter) newConfirmer(ctx context.Context, host component.Host) (*confirmer, error) {
	if e.cfg.Confirm != confirmAliKafka {
		return nil, nil //nolint:nilnil // nobody is asked then
	}
	cfg := &e.cfg.AliKafka
	httpClient, err := e.newClient(ctx, host, &cfg.HTTP)
	if err != nil {
		return nil, fmt.Errorf("alikafka::http: %w", err)
	}
	client, err := alikafka.NewClient(alicloud.Settings{
		Endpoint: cfg.Endpoint, Region: cfg.Region, Network: cfg.Network, HTTPClient: httpClient,
		UserAgent: e.set.BuildInfo.Command + "/" + e.set.BuildInfo.Version, Credentials: cfg.Credentials.Settings(),
	})
	if err != nil {
		return nil, fmt.Errorf("alikafka: %w", err)
	}
	return newConfirmer(client, cfg.Wait, e.set.Logger), nil
}

func newConfirmer(client *alikafka.Client, wait time.Duration, logger *zap.Logger) *confirmer {
	return &confirmer{
		client: client, wait: wait, logger: logger, looks: make(chan struct{}, maxLooks), failed: map[alicloud.Kind]bool{},
	}
}

// question is what AliKafka is asked about a target before a restart.
type question struct {
	cancel context.CancelFunc
	done   chan struct{}  // closed at its end
	answer ladder.Opinion // once done; Unasked if the question was given up
	at     time.Time      // of the answer; zero if the question was given up
}

// ask begins to ask about the groups of a target. It gives up when ctx ends or the question is dropped.
func (c *confirmer) ask(ctx context.Context, t cluster.Target, lags []ladder.Lag) *question {
	ctx, cancel := context.WithCancel(ctx)
	q := &question{cancel: cancel, done: make(chan struct{})}
	c.asking.Go(func() {
		defer cancel()
		defer close(q.done)
		answer := c.answer(ctx, t, lags)
		if ctx.Err() == nil {
			q.answer, q.at = answer, time.Now()
		}
	})
	return q
}

// opinion returns the answer, Unasked before there is one.
func (q *question) opinion() ladder.Opinion {
	select {
	case <-q.done:
		return q.answer
	default:
		return ladder.Unasked
	}
}

// isOutdated reports whether the question has to be asked anew: it was given up, or answered before a time.
func (q *question) isOutdated(before time.Time) bool {
	select {
	case <-q.done:
		return q.at.Before(before)
	default:
		return false
	}
}

// drop gives the question up, if there is one.
func (q *question) drop() {
	if q != nil {
		q.cancel()
	}
}

// answer looks at the groups twice. One that is stuck is reason enough for a restart; one that AliKafka says nothing of
// may be stuck, so a target is slow only if all its groups are.
func (c *confirmer) answer(ctx context.Context, t cluster.Target, lags []ladder.Lag) ladder.Opinion {
	before := c.look(ctx, lags)
	if len(before) == 0 || !pause(ctx, c.wait) {
		return ladder.Unanswered
	}
	after := c.look(ctx, slices.DeleteFunc(slices.Clone(lags), func(l ladder.Lag) bool { return before[l.Series()] == nil }))
	opinion, verdicts := ladder.Slow, make([]string, len(lags))
	for i, l := range lags {
		verdict, reason := alikafka.Unknown, "no answer"
		if then, now := before[l.Series()], after[l.Series()]; then != nil && now != nil {
			verdict, reason = alikafka.Compare(then, now)
		}
		verdicts[i] = fmt.Sprintf("%s is %s: %s", l.Group, verdict, reason)
		switch {
		case verdict == alikafka.Stuck:
			opinion = ladder.Stuck
		case verdict == alikafka.Unknown && opinion == ladder.Slow:
			opinion = ladder.Unanswered
		}
	}
	if ctx.Err() == nil {
		c.logger.Info("AliKafka was asked", zap.Stringer("target", t), zap.String("opinion", string(opinion)), zap.Strings("groups", verdicts))
	}
	return opinion
}

// look returns how far the groups are that AliKafka answers for. A group that it does not know has an empty progress.
func (c *confirmer) look(ctx context.Context, lags []ladder.Lag) map[ladder.Series]alikafka.Progress {
	select {
	case c.looks <- struct{}{}:
		defer func() { <-c.looks }()
	case <-ctx.Done():
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	all := map[ladder.Series]alikafka.Progress{}
	var failures []error
	for _, l := range lags {
		progress, err := c.client.Progress(limited, l.Instance, l.Group)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		all[l.Series()] = progress
	}
	if ctx.Err() == nil {
		c.note(failures)
	}
	return all
}

// note logs the failures of a look, each kind once until a look has none.
func (c *confirmer) note(failures []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(failures) == 0 {
		clear(c.failed)
	}
	for _, err := range failures {
		var kind alicloud.Kind
		if failure, ok := errors.AsType[*alicloud.Error](err); ok {
			kind = failure.Kind
		}
		if !c.failed[kind] {
			c.failed[kind] = true
			c.logger.Warn("AliKafka could not be asked about a consumer group", zap.Error(err))
		}
	}
}

// pause waits for d. It returns false at once when ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
