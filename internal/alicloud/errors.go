package alicloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/urlerror"
)

// Kind is what went wrong with a call. It is short and stable, fit for a metric attribute.
type Kind string

// The kinds of errors.
const (
	KindThrottled      Kind = "throttled"       // too many calls in too short a time
	KindQuotaExhausted Kind = "quota_exhausted" // the free calls of the month are used up
	KindBadCredentials Kind = "bad_credentials" // there are no credentials, or they are wrong
	KindExpiredToken   Kind = "expired_token"   // the session has ended
	KindClockSkew      Kind = "clock_skew"      // the clocks differ by more than 15 minutes
	KindForbidden      Kind = "forbidden"       // a permission is missing
	KindServer         Kind = "server_error"    // Alibaba Cloud failed
	KindMalformedReply Kind = "malformed_reply" // the reply is not what the service documents
	KindNetwork        Kind = "network"         // no connection, or no answer in time
	KindInvalidRequest Kind = "invalid_request" // the service does not accept the request
	KindCanceled       Kind = "canceled"        // the caller gave up
)

// remedies are those of the kinds that have the same for every service.
var remedies = map[Kind]string{
	KindBadCredentials: "check the credentials section: its type, and that the access key or role it names exists, is active and may be assumed",
	KindExpiredToken:   "the session token has expired: renew credentials::security_token, or use a credentials type that renews itself",
	KindClockSkew:      "the clock of this host is more than 15 minutes off: synchronise it, for example with chrony or NTP",
	KindServer:         "Alibaba Cloud has a problem: nothing to do here unless this persists",
	KindNetwork:        "check DNS, firewall and proxy between this host and the endpoint, and that region is spelled right",
}

// Error is a failed call. None of its text holds a secret.
type Error struct {
	Kind       Kind
	Code       string        // error code of the service; empty when it gave none
	Status     int           // HTTP status; 0 when there was no reply
	Message    string        // one line, at most 200 characters
	Remedy     string        // one sentence an operator can act on; empty for that of the kind
	RequestID  string        // what Alibaba Cloud support asks for
	RetryAfter time.Duration // how long the service asks to wait; 0 when it does not say
	Date       time.Time     // the server's clock, from the reply's Date header; zero when there is none
	Renewed    bool          // the credentials that were refused are dropped: a call made at once uses new ones
	Err        error         // context.Canceled or context.DeadlineExceeded when the context or a timeout ended the call
}

// Error names kind, code, status and request, and says what to do.
func (e *Error) Error() string {
	var reply []string
	if e.Status != 0 {
		reply = append(reply, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.RequestID != "" {
		reply = append(reply, "request "+e.RequestID)
	}
	text := string(e.Kind)
	for _, part := range [...]struct{ before, value, after string }{
		{": ", e.Code, ""},
		{" (", strings.Join(reply, ", "), ")"},
		{": ", strings.TrimRight(e.Message, "."), ""},
		{"; ", cmp.Or(e.Remedy, remedies[e.Kind]), ""},
	} {
		if part.value != "" {
			text += part.before + part.value + part.after
		}
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same call may succeed soon.
func (e *Error) Retryable() bool {
	return e.Kind == KindThrottled || e.Kind == KindServer || e.Kind == KindMalformedReply || e.Kind == KindNetwork
}

// KindOf returns the kind of an error of this package, and "" for others.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// badCredentials returns the error for missing credentials.
func badCredentials(message string) *Error {
	return &Error{Kind: KindBadCredentials, Message: message}
}

// transportError returns the error of a call that brought no reply.
func transportError(err error) *Error {
	e := &Error{Kind: KindNetwork, Message: cleanMessage(urlerror.Strip(err).Error())}
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind, e.Err = KindCanceled, context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Err = context.DeadlineExceeded
	}
	return e
}
