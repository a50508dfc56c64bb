package alicloud

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
)

const (
	// maxReplyBytes bounds what is read of one reply. The API gateway stops at 2 MiB, so a bigger one is not from Alibaba Cloud.
	maxReplyBytes = 8 << 20
	maxErrorBytes = 64 << 10 // bounds what is read of a reply that is an error: enough for the error code
	maxKeptBytes  = 2 << 20  // the largest reply whose memory is kept for the next one, and that the API gateway sends
)

// endpoint is where an API is served.
type endpoint struct {
	scheme string // https, or http for a loopback host
	host   string // host[:port]
}

// CheckEndpoint returns what is wrong with the URL of an endpoint, or nil.
func CheckEndpoint(raw string) error {
	_, err := parseEndpoint(raw)
	return err
}

func parseEndpoint(raw string) (endpoint, error) {
	const allowed = "must be https://host[:port], or http:// for a loopback host"
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || !validPort(u.Port()) {
		return endpoint{}, errors.New(allowed) // the value may hold a password, so it is not repeated
	}
	if bare := (url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}); *u != bare || strings.Trim(u.Path, "/") != "" {
		return endpoint{}, errors.New(allowed + ", without user, path or query")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback()) {
		return endpoint{scheme: u.Scheme, host: u.Host}, nil
	}
	return endpoint{}, fmt.Errorf("%s, not %q", allowed, raw)
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// sender signs and sends calls. It is safe for concurrent use.
type sender struct {
	client    *http.Client
	userAgent string
}

// newSender returns a sender that uses c but follows no redirect: a signature is for one host.
func newSender(c *http.Client, userAgent string) *sender {
	noRedirects := *c
	noRedirects.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &sender{client: &noRedirects, userAgent: *openapiutil.GetUserAgent(dara.String(userAgent))}
}

// send makes the call and reads its reply into r. A reply that is not HTTP 200 is an error. The call is not signed if
// cred is nil.
func (s *sender) send(ctx context.Context, to endpoint, c Call, cred *credential, r *reply) *Error {
	req, err := c.request(ctx, to, cred, newStamp())
	if err != nil {
		return transportError(err)
	}
	return s.do(req, r)
}

// do sends the request and reads its reply into r. A reply that is not HTTP 200 is an error.
func (s *sender) do(req *http.Request, r *reply) *Error {
	req.Header.Set("User-Agent", s.userAgent)
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return transportError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if failure := r.read(resp); failure != nil {
		return r.complete(failure)
	}
	return nil
}

// reply is what came back of a call. It is empty before the call.
type reply struct {
	header http.Header
	body   bytes.Buffer
}

func (r *reply) read(resp *http.Response) *Error {
	r.header = resp.Header
	if resp.StatusCode != http.StatusOK {
		// The status alone is worth reporting, so a body that ends early is no further error.
		_, _ = r.body.ReadFrom(io.LimitReader(resp.Body, maxErrorBytes))
		return ServiceError(resp.StatusCode, r.body.Bytes())
	}
	n, err := max(resp.ContentLength, 0), error(nil)
	if n <= maxReplyBytes {
		n, err = r.body.ReadFrom(io.LimitReader(resp.Body, maxReplyBytes+1))
	}
	switch {
	case n > maxReplyBytes:
		return Malformed("reply over 8 MiB")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Malformed("reply ends early")
	case err != nil:
		return transportError(err)
	default:
		return nil
	}
}

// reset empties the reply. Memory beyond what real pages need is not kept.
func (r *reply) reset() {
	if r.body.Cap() > maxKeptBytes {
		r.body = bytes.Buffer{}
	}
	r.body.Reset()
}

// text returns the body without the white space around it.
func (r *reply) text() string { return strings.TrimSpace(r.body.String()) }

// date returns the time at the server, or the zero time if the reply has none.
func (r *reply) date() time.Time {
	date, _ := http.ParseTime(r.header.Get("Date"))
	return date
}

// complete adds to e what the headers of the reply say, and returns e.
func (r *reply) complete(e *Error) *Error {
	e.Date = r.date()
	e.RetryAfter = retryAfter(r.header)
	if e.RequestID == "" {
		e.RequestID = r.header.Get("X-Acs-Request-Id")
	}
	return e
}
