// Package dingtalk sends messages to group robots of DingTalk.
//
// The facts about robots (signature, limits, error codes) come from DingTalk's documents for developers, chapters
// "自定义机器人安全设置" and "自定义机器人发送群消息".
package dingtalk

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/urlerror"
)

const (
	// MaxBytes is the size up to which a robot takes a message.
	MaxBytes = 20_000

	// A robot that gets more than 20 messages in any minute is blocked for ten. A burst and what follows it within the
	// minute stay below that.
	burst = 9
	every = 6 * time.Second

	maxReply = 64 << 10
)

// Address says where a robot is and how its messages are signed.
type Address struct {
	URL    string // of the webhook, with its access_token, which is a secret
	Secret string // begins with SEC; empty if the robot does not demand a signature
}

// Robot sends messages to one robot. It is safe for concurrent use.
type Robot struct {
	address func() (Address, error)
	client  *http.Client
	limiter *rate.Limiter
	retry   time.Duration // before the second attempt
	now     func() time.Time
}

// NewRobot returns a robot. The address is asked for before each attempt, so that it may change.
func NewRobot(address func() (Address, error)) *Robot {
	return &Robot{
		address: address,
		client: &http.Client{
			Timeout: 10 * time.Second,
			// A redirect would take the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		limiter: rate.NewLimiter(rate.Every(every), burst),
		retry:   time.Second,
		now:     time.Now,
	}
}

// Error is what a robot answered to a message that it did not take.
type Error struct {
	Code      int    // errcode; 0 if there was none
	Message   string // errmsg, or what was wrong with the reply
	Temporary bool   // the same message may be taken later
}

func (e *Error) Error() string {
	text := "DingTalk: " + e.Message
	if e.Code != 0 {
		text = fmt.Sprintf("DingTalk: errcode %d: %s", e.Code, e.Message)
	}
	if remedy := remedies[e.Code]; remedy != "" {
		text += "; " + remedy
	}
	return text
}

// The codes that are known, and what to do.
const (
	codeBusy      = -1
	codeTooFast   = 130101
	codeThrottled = 410100
	codeRefused   = 310000
	codeTooLong   = 460101
)

var remedies = map[int]string{
	codeRefused: "check the robot's security settings: the secret, the clock of this host, a keyword that is missing, or the list of IP addresses",
	codeTooLong: "shorten the message to 20,000 bytes",
	codeTooFast: "send fewer than 20 messages a minute, all senders of this robot together",
}

// IsTemporary reports whether the same message may be taken later.
func IsTemporary(err error) bool {
	var e *Error
	return !errors.As(err, &e) || e.Temporary
}

// Send sends a message, the JSON object of DingTalk's API, and tries again until it is taken, rejected, or ctx ends. It
// waits as long as the limit of the robot demands, if that is before the deadline of ctx. When ctx ends, the error names
// what came of the last attempt, too. The error never contains the address.
func (r *Robot) Send(ctx context.Context, message []byte) error {
	if len(message) > MaxBytes {
		return &Error{Code: codeTooLong, Message: fmt.Sprintf("the message has %d bytes", len(message))}
	}
	interval := backoff.NewExponentialBackOff()
	interval.InitialInterval = r.retry
	var last error // Retry returns only that ctx ended
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if err := r.limiter.Wait(ctx); err != nil { // there will be no room in time
			return struct{}{}, backoff.Permanent(fmt.Errorf("waiting for the limit of 20 messages a minute: %w", err))
		}
		err := r.attempt(ctx, message)
		if err != nil && !IsTemporary(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		if !errors.Is(err, ctx.Err()) {
			last = err
		}
		return struct{}{}, err
	}, backoff.WithBackOff(interval), backoff.WithMaxElapsedTime(0))
	if err != nil && last != nil && IsTemporary(err) {
		return fmt.Errorf("%w; the last attempt: %w", err, last)
	}
	return err
}

// attempt sends a message once.
func (r *Robot) attempt(ctx context.Context, message []byte) error {
	address, err := r.address()
	if err != nil {
		return err
	}
	target, err := address.signed(r.now())
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(message))
	if err != nil {
		return errors.New("the URL of the robot is not valid")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := r.client.Do(req)
	if err != nil {
		return urlerror.Strip(err)
	}
	defer resp.Body.Close()
	return check(resp)
}

// Validate returns what is wrong with the address. Its error never contains the address.
func (a Address) Validate() error {
	_, err := a.parse()
	return err
}

// IsPlain reports whether the access_token travels in plain text to another host, as to a gateway without TLS.
func (a Address) IsPlain() bool {
	u, err := a.parse()
	return err == nil && u.Scheme == "http" && !isLoopback(u.Hostname())
}

// PlainWarning is what to log about an address that IsPlain.
const PlainWarning = "The URL of the robot does not begin with https://, so its access_token travels in plain text"

func (a Address) parse() (*url.URL, error) {
	u, err := url.Parse(a.URL) // its error would repeat the token
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("the URL of the robot is not valid: it should read https://oapi.dingtalk.com/robot/send?access_token=…")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip, _ := netip.ParseAddr(host) // the zero Addr is not loopback
	return host == "localhost" || ip.IsLoopback()
}

// signed returns the URL of a message that is sent now.
func (a Address) signed(now time.Time) (string, error) {
	u, err := a.parse()
	if err != nil {
		return "", err
	}
	if a.Secret == "" {
		return u.String(), nil
	}
	timestamp := strconv.FormatInt(now.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(timestamp + "\n" + a.Secret))
	query := u.Query()
	query.Set("timestamp", timestamp)
	query.Set("sign", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// check returns the error of a reply. HTTP 200 alone does not mean that a message was taken.
func check(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return urlerror.Strip(err)
	}
	var reply struct {
		Code    *int   `json:"errcode"`
		Message string `json:"errmsg"`
	}
	if json.Unmarshal(body, &reply) != nil || reply.Code == nil {
		return &Error{
			Message:   "no reply of a robot, but HTTP status " + strconv.Itoa(resp.StatusCode),
			Temporary: resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError,
		}
	}
	switch *reply.Code {
	case 0:
		return nil
	case codeBusy, codeTooFast, codeThrottled:
		return &Error{*reply.Code, reply.Message, true}
	default:
		return &Error{*reply.Code, reply.Message, false}
	}
}
