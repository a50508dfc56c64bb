// Package alicloud calls the APIs of Alibaba Cloud: it finds credentials, signs, sends and classifies errors.
//
// It signs with the Alibaba Cloud SDK and sends with the caller's http.Client. Callers see a context that is honoured, and
// errors of type [*Error] that say what went wrong and what to do about it.
package alicloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Settings configures a client.
type Settings struct {
	Endpoint    string       // https://host[:port], or http://host[:port] for a loopback host
	Region      string       // region of the STS that role types ask; empty asks the central one
	Network     string       // "vpc" asks the STS in the VPC, anything else the public one
	UserAgent   string       // appended to the User-Agent of the SDK
	HTTPClient  *http.Client // carries the calls to the service, STS and a credentials URI, required
	Credentials CredentialSettings

	// Remedies are what to do about errors of the service, by kind. The other kinds have remedies that fit every service.
	Remedies map[Kind]string

	dialMetadata func(ctx context.Context, network, address string) (net.Conn, error) // for tests; nil dials
}

// Client calls one service. It is safe for concurrent use.
type Client struct {
	server      endpoint
	sender      *sender
	credentials *credentialCache
	remedies    map[Kind]string
	replies     sync.Pool // of *reply
}

// NewClient returns a client. It makes no network call; an error means the settings or the environment are wrong.
func NewClient(s Settings) (*Client, error) {
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
	return &Client{server: server, sender: sender, credentials: credentials, remedies: s.Remedies}, nil
}

// Do makes one call, once, and passes the body of a reply with HTTP status 200 to decode, which must not keep it. It returns
// the server's clock, from the Date header; zero when absent or not readable. Its errors are of type [*Error].
//
// After an error that says Renewed the next call asks for new credentials.
func (c *Client) Do(ctx context.Context, call Call, decode func(body []byte) *Error) (time.Time, error) {
	cred, err := c.credentials.get(ctx)
	if err != nil {
		return time.Time{}, c.advise(err)
	}
	date, failure := c.send(ctx, call, cred, decode)
	if failure == nil {
		return date, nil
	}
	if c.credentials.renewable() && (failure.Kind == KindExpiredToken || failure.Kind == KindBadCredentials) {
		c.credentials.discard(cred)
		failure.Renewed = true
	}
	return time.Time{}, c.advise(failure.redact(cred, ""))
}

// advise returns the error with the remedy of the service. It leaves err as it is, which other callers may have, too.
func (c *Client) advise(err error) error {
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	advised := *failure
	advised.Remedy = c.remedies[failure.Kind]
	return &advised
}

func (c *Client) send(ctx context.Context, call Call, cred *credential, decode func([]byte) *Error) (time.Time, *Error) {
	r, ok := c.replies.Get().(*reply)
	if !ok {
		r = &reply{}
	}
	defer func() {
		r.reset()
		c.replies.Put(r)
	}()
	if failure := c.sender.send(ctx, c.server, call, cred, r); failure != nil {
		return time.Time{}, failure
	}
	if failure := decode(r.body.Bytes()); failure != nil {
		return time.Time{}, r.complete(failure)
	}
	return r.date(), nil
}
