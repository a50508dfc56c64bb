// Package cms reads Kafka consumer lag from CloudMonitor (CMS) with the Alibaba Cloud SDK.
//
// It is the only package that knows the SDK: callers see plain Go types, a context that is honoured, and errors
// of type [*Error] that say what went wrong and what to do about it.
package cms

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// Limits of one DescribeMetricList call.
const (
	// MaxInstances is how many instances the Dimensions parameter may name (CloudMonitor DescribeMetricList).
	MaxInstances = 50
	// PageLength is the largest page the API serves, the Length parameter (CloudMonitor DescribeMetricList).
	PageLength = 1440
	// MaxReplyBytes bounds what is read of one reply. The API gateway stops at 2 MiB, so a bigger one is not from CMS.
	MaxReplyBytes = 8 << 20
)

// The metrics of the namespace acs_kafka that count messages not yet consumed (CloudMonitor metric list, Kafka).
const (
	// MetricAccumulation has one series for each consumer group.
	MetricAccumulation = "message_accumulation"
	// MetricTopicAccumulation has one series for each consumer group and topic.
	MetricTopicAccumulation = "message_accumulation_onetopic"
)

// Query asks for one page of a metric in the namespace acs_kafka.
type Query struct {
	MetricName string        // CMS metric ID: MetricAccumulation or MetricTopicAccumulation
	Period     time.Duration // statistical period of the points, whole seconds
	Start, End int64         // the window (Start, End], unix milliseconds
	Instances  []string      // at most MaxInstances Kafka instance IDs; empty asks for every instance in the region
	Names      []lag.Key     // at most MaxInstances series; when not empty, only these are asked for
	NextToken  string        // the token of the page before; empty for the first page
}

// Page is one page of a reply.
type Page struct {
	Points    []lag.Point
	Malformed int       // points left out because they could not be understood
	NextToken string    // empty on the last page
	Date      time.Time // the Date header of the reply; zero if there is none
}

// Client reads metric pages. It is safe for concurrent use.
type Client interface {
	// DescribeMetricList fetches one page. Its errors are of type [*Error].
	//
	// After an error that says Renewed the next call asks for new credentials.
	DescribeMetricList(ctx context.Context, q Query) (Page, error)
}

// Settings configures a client.
type Settings struct {
	Endpoint    string       // https://host[:port], or http://host[:port] for a loopback host
	UserAgent   string       // appended to the User-Agent of the SDK
	HTTPClient  *http.Client // carries the calls to CMS, required; the SDK fetches credentials with clients of its own
	Credentials CredentialSettings
	Region      string
	Network     string // public or vpc
}

// NewClient returns a client. It makes no network call; an error means the settings or the environment are wrong.
func NewClient(s Settings) (Client, error) {
	if err := refuseDebugOutput(); err != nil {
		return nil, err
	}
	server, err := parseEndpoint(s.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	source, err := newCredentialSource(s.Credentials)
	if err != nil {
		return nil, err
	}
	c := &client{credentials: source, workers: make(chan *worker, 50)}
	for range cap(c.workers) {
		w, err := newWorker(server, s.UserAgent, s.HTTPClient)
		if err != nil {
			return nil, err
		}
		c.workers <- w
	}
	return c, nil
}

type client struct {
	credentials *credentialSource
	workers     chan *worker // the idle ones; an SDK client must not be shared by concurrent calls
}

func (c *client) DescribeMetricList(ctx context.Context, q Query) (Page, error) {
	if len(q.Instances) > MaxInstances {
		return Page{}, &Error{
			Kind:    KindInvalidRequest,
			Message: fmt.Sprintf("%d instances in one query, at most %d are allowed", len(q.Instances), MaxInstances),
		}
	}
	select {
	case w := <-c.workers:
		defer func() { c.workers <- w }()
		return c.describe(ctx, w, q)
	case <-ctx.Done():
		return Page{}, transportError(ctx.Err())
	}
}

func (c *client) describe(ctx context.Context, w *worker, q Query) (Page, error) {
	cred, err := c.credentials.get(ctx)
	if err != nil {
		return Page{}, err
	}
	page, failure := w.describe(ctx, cred, q)
	if failure == nil {
		return page, nil
	}
	if c.credentials.renewable() && refused(failure) {
		c.credentials.discard(cred)
		failure.Renewed = true
	}
	return Page{}, failure
}

// refused reports whether CMS turned the credentials down.
func refused(err error) bool {
	kind := KindOf(err)
	return kind == KindExpiredToken || kind == KindBadCredentials
}
