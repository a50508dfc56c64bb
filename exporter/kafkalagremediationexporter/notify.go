package kafkalagremediationexporter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/dingtalk"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/urlerror"
)

const (
	// maxQueue bounds what waits for a channel. What does not fit stays in its record, and the next check sends it.
	maxQueue = 256
	// patience is how long a channel is tried before the message is left to the next check.
	patience = 5 * time.Minute
)

// notification is a message about a target, or, without one, about all.
type notification struct {
	ladder.Message
	target cluster.Target
	count  int // of targets in breach, if it is about all
}

// notificationKey tells notifications apart.
type notificationKey struct {
	target cluster.Target
	reason ladder.Reason
	stage  int
	at     int64
}

func (n notification) key() notificationKey {
	return notificationKey{n.target, n.Reason, n.Stage, n.At.Unix()}
}

// notifier delivers notifications to all channels, each at least once, without holding up the ladder. Its methods may be
// called at once from several goroutines.
type notifier struct {
	ctx       context.Context
	channels  []*channel
	telemetry *telemetry
	logger    *zap.Logger

	mu      sync.Mutex
	pending map[notificationKey]*delivery
}

// channel is one way to people.
type channel struct {
	name  string
	queue chan notification
	send  func(context.Context, notification) error
}

// delivery is what is known of a notification that is not forgotten yet.
type delivery struct {
	notification notification
	open         map[*channel]bool // not delivered; true if it is queued
}

// newNotifier returns the notifier of a configuration, with the client of its webhook. Its goroutines end with ctx.
func newNotifier(ctx context.Context, cfg *Config, client *http.Client, logger *zap.Logger, telemetry *telemetry) *notifier {
	n := &notifier{ctx: ctx, telemetry: telemetry, logger: logger, pending: map[notificationKey]*delivery{}}
	texts := newTexts(cfg)
	if d := cfg.Notifications.DingTalk.Get(); d != nil {
		if d.address().IsPlain() {
			logger.Warn(dingtalk.PlainWarning)
		}
		robot := dingtalk.NewRobot(func() (dingtalk.Address, error) { return d.address(), nil })
		n.add("dingtalk", func(ctx context.Context, m notification) error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			return robot.Send(ctx, dingTalkMessage(texts.of(m)))
		})
	}
	if w := cfg.Notifications.Webhook.Get(); w != nil {
		hook := &webhook{client: client, endpoint: w.Endpoint, texts: texts, dryRun: cfg.DryRun}
		n.add("webhook", hook.send)
	}
	return n
}

func (n *notifier) add(name string, send func(context.Context, notification) error) {
	n.channels = append(n.channels, &channel{name: name, queue: make(chan notification, maxQueue), send: send})
}

// isEmpty reports whether there is nobody to tell.
func (n *notifier) isEmpty() bool { return len(n.channels) == 0 }

// run delivers until the context of newNotifier ends.
func (n *notifier) run() {
	var workers sync.WaitGroup
	for _, c := range n.channels {
		workers.Go(func() { n.work(c) })
	}
	workers.Wait()
}

func (n *notifier) work(c *channel) {
	for {
		select {
		case <-n.ctx.Done():
			return
		case m := <-c.queue:
			err := c.send(n.ctx, m)
			if n.ctx.Err() != nil {
				return
			}
			n.telemetry.notified(n.ctx, c.name, err)
			if err != nil {
				n.logger.Error("People could not be told; the next check tries again", zap.String("channel", c.name),
					zap.Stringer("target", m.target), zap.String("reason", string(m.Reason)), zap.Error(err))
			}
			n.done(c, m, err == nil)
		}
	}
}

func (n *notifier) done(c *channel, m notification, delivered bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.pending[m.key()]
	if d == nil {
		return
	}
	if d.open[c] = false; delivered {
		delete(d.open, c)
	}
}

// enqueue sends a notification to the channels that it was not delivered to and does not wait for.
func (n *notifier) enqueue(m notification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.pending[m.key()]
	if d == nil {
		d = &delivery{notification: m, open: map[*channel]bool{}}
		for _, c := range n.channels {
			d.open[c] = false
		}
		n.pending[m.key()] = d
	}
	for c, queued := range d.open {
		if queued {
			continue
		}
		select {
		case c.queue <- m:
			d.open[c] = true
		default: // full
		}
	}
}

// delivered returns what was delivered to all channels and not forgotten.
func (n *notifier) delivered() (all []notification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.pending {
		if len(d.open) == 0 {
			all = append(all, d.notification)
		}
	}
	return all
}

// retain forgets the notifications about a target that are neither in its record any more nor under way.
func (n *notifier) retain(t cluster.Target, messages []ladder.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted := map[notificationKey]bool{}
	for _, m := range messages {
		wanted[notification{Message: m, target: t}.key()] = true
	}
	maps.DeleteFunc(n.pending, func(key notificationKey, d *delivery) bool {
		return key.target == t && !wanted[key] && !slices.Contains(slices.Collect(maps.Values(d.open)), true)
	})
}

// forget ends a notification, once its record says that it was delivered.
func (n *notifier) forget(m notification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pending, m.key())
}

// dingTalkMessage is plain text, so that nothing in a name becomes a link or formatting.
// Source: DingTalk, "自定义机器人发送消息的消息类型", text.
func dingTalkMessage(title, text string) []byte {
	body, err := json.Marshal(map[string]any{"msgtype": "text", "text": map[string]string{"content": title + "\n" + text}})
	if err != nil {
		panic(err) // strings only
	}
	return body
}

// webhook posts notifications as JSON.
type webhook struct {
	client   *http.Client
	endpoint string
	texts    *texts
	dryRun   bool
}

// webhookBody is what a webhook gets.
type webhookBody struct {
	Title     string         `json:"title"`
	Text      string         `json:"text"`
	Reason    ladder.Reason  `json:"reason"`
	Namespace string         `json:"namespace,omitempty"`
	Kind      string         `json:"kind,omitempty"`
	Name      string         `json:"name,omitempty"`
	Instance  string         `json:"instance,omitempty"`
	Group     string         `json:"group,omitempty"`
	Lag       float64        `json:"lag"`
	Stage     int            `json:"stage"`
	Opinion   ladder.Opinion `json:"opinion,omitempty"`
	At        time.Time      `json:"at"`
	DryRun    bool           `json:"dry_run"`
}

func (w *webhook) send(ctx context.Context, m notification) error {
	title, text := w.texts.of(m)
	body, err := json.Marshal(webhookBody{
		Title: title, Text: text, Reason: m.Reason, Namespace: m.target.Namespace, Kind: m.target.Kind, Name: m.target.Name,
		Instance: m.Instance, Group: m.Group, Lag: m.Lag, Stage: m.Stage, Opinion: m.Opinion, At: m.At, DryRun: w.dryRun,
	})
	if err != nil {
		return err
	}
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, w.post(ctx, body) },
		backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(patience))
	return err
}

func (w *webhook) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.endpoint, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(urlerror.Strip(err))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if err != nil {
		return urlerror.Strip(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	switch {
	case resp.StatusCode < http.StatusMultipleChoices:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("the webhook answered %s", resp.Status)
	default:
		return backoff.Permanent(fmt.Errorf("the webhook answered %s", resp.Status))
	}
}
