// Package cms reads Kafka consumer lag from CloudMonitor (CMS).
//
// It signs with the Alibaba Cloud SDK and sends with the caller's http.Client. Callers see plain Go types, a context
// that is honoured, and errors of type [*Error] that say what went wrong and what to do about it.
package cms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// Limits of one DescribeMetricList call.
const (
	MaxInstances = 50   // objects that the Dimensions parameter may hold
	PageLength   = 1440 // points of a full page, the largest Length
	// MaxReplyBytes bounds what is read of one reply. The API gateway stops at 2 MiB, so a bigger one is not from CMS.
	MaxReplyBytes = 8 << 20
)

// The metrics of the namespace acs_kafka that count messages not yet consumed (CloudMonitor metric list, Kafka).
const (
	MetricAccumulation      = "message_accumulation"          // a series for each consumer group
	MetricTopicAccumulation = "message_accumulation_onetopic" // a series for each consumer group and topic
)

// Page is one page of a reply.
type Page struct {
	Points    []lag.Point
	Malformed int       // points left out because they could not be understood
	NextToken string    // empty on the last page
	Date      time.Time // CloudMonitor's clock, from the Date header; zero when absent or not readable
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
	Region      string       // region of the STS that role types ask; empty asks the central one
	Network     string       // "vpc" asks the STS in the VPC, anything else the public one
	UserAgent   string       // appended to the User-Agent of the SDK
	HTTPClient  *http.Client // carries the calls to CMS, STS and a credentials URI, required
	Credentials CredentialSettings

	dialMetadata func(ctx context.Context, network, address string) (net.Conn, error) // for tests; nil dials
}

// NewClient returns a client. It makes no network call; an error means the settings or the environment are wrong.
func NewClient(s Settings) (Client, error) {
	if s.HTTPClient == nil {
		return nil, errors.New("an HTTP client is required")
	}
	server, err := parseEndpoint(s.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	sender := newSender(s.HTTPClient, s.UserAgent)
	issuers, err := newIssuers(sender, s)
	if err != nil {
		return nil, err
	}
	credentials, err := newCredentialCache(s.Credentials, issuers)
	if err != nil {
		return nil, err
	}
	return &client{server: server, sender: sender, credentials: credentials}, nil
}

type client struct {
	server      endpoint
	sender      *sender
	credentials *credentialCache
	names       names
	replies     sync.Pool // of *reply
}

func (c *client) DescribeMetricList(ctx context.Context, q Query) (Page, error) {
	if n := max(len(q.Instances), len(q.Names)); n > MaxInstances {
		return Page{}, &Error{
			Kind:    KindInvalidRequest,
			Message: fmt.Sprintf("%d instances or series in one query, at most %d are allowed", n, MaxInstances),
		}
	}
	cred, err := c.credentials.get(ctx)
	if err != nil {
		return Page{}, err
	}
	page, failure := c.describe(ctx, q, cred)
	if failure == nil {
		return page, nil
	}
	if c.credentials.renewable() && (failure.Kind == KindExpiredToken || failure.Kind == KindBadCredentials) {
		c.credentials.discard(cred)
		failure.Renewed = true
	}
	return Page{}, failure.redact(cred, "")
}

func (c *client) describe(ctx context.Context, q Query, cred *credential) (Page, *Error) {
	r, ok := c.replies.Get().(*reply)
	if !ok {
		r = &reply{}
	}
	defer func() {
		r.reset()
		c.replies.Put(r)
	}()
	if failure := c.sender.send(ctx, c.server, q.call(), cred, r); failure != nil {
		return Page{}, failure
	}
	page, failure := newDecoder(&c.names).decode(r.body.Bytes(), q.MetricName == MetricTopicAccumulation)
	if failure != nil {
		return Page{}, r.complete(failure)
	}
	page.Date = r.date()
	return page, nil
}
