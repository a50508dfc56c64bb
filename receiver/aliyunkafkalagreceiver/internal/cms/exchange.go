package cms

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// maxErrorBytes bounds what is read of a reply that is not a page: enough for the error code.
const maxErrorBytes = 64 << 10

// exchange carries a request the SDK signed and keeps the reply. The SDK is shown an empty one: it would read a body
// of any length, and forget the HTTP status of an error that is not JSON.
type exchange struct {
	client *http.Client
	reply  reply
}

// reply is the last reply, valid until the next call.
type reply struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newExchange(c *http.Client) exchange {
	noRedirects := *c
	noRedirects.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return exchange{client: &noRedirects}
}

// Call implements the SDK's dara.HttpClient. The transport is the SDK's own and not used.
func (x *exchange) Call(req *http.Request, _ *http.Transport) (*http.Response, error) {
	resp, err := x.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := x.reply.read(resp); err != nil {
		return nil, err
	}
	return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func (r *reply) read(resp *http.Response) error {
	r.status, r.header = resp.StatusCode, resp.Header
	r.reset()
	if r.status != http.StatusOK {
		// The status alone is worth reporting, so a body that ends early is no further error.
		_, _ = r.body.ReadFrom(io.LimitReader(resp.Body, maxErrorBytes))
		return nil
	}
	if resp.ContentLength > MaxReplyBytes {
		return malformed("reply over 8 MiB")
	}
	n, err := r.body.ReadFrom(io.LimitReader(resp.Body, MaxReplyBytes+1))
	switch {
	case n > MaxReplyBytes:
		r.reset()
		return malformed("reply over 8 MiB")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed("reply ends early")
	default:
		return err
	}
}

// reset empties the buffer, and lets go of one that grew past what real pages need.
func (r *reply) reset() {
	if r.body.Cap() > maxKeptBytes {
		r.body = bytes.Buffer{}
	}
	r.body.Reset()
}

func malformed(message string) *Error {
	return &Error{Kind: KindMalformedReply, Status: http.StatusOK, Message: message}
}
