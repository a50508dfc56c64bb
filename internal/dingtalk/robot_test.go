package dingtalk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token  = "0123token"
	secret = "SECsecret"
)

// newRobot returns a robot whose messages go to a handler, and which neither waits nor has a limit.
func newRobot(t *testing.T, handle http.HandlerFunc) *Robot {
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	r := NewRobot(func() (Address, error) {
		return Address{URL: server.URL + "/robot/send?access_token=" + token, Secret: secret}, nil
	})
	r.limiter, r.retry, r.now = rate.NewLimiter(rate.Inf, 1), time.Millisecond, func() time.Time { return time.UnixMilli(1577262236757) }
	t.Cleanup(r.client.CloseIdleConnections)
	return r
}

func TestSendSigns(t *testing.T) {
	r := newRobot(t, func(w http.ResponseWriter, req *http.Request) {
		query := req.URL.Query()
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("1577262236757\n" + secret))
		assert.Equal(t, token, query.Get("access_token"))
		assert.Equal(t, "1577262236757", query.Get("timestamp"))
		assert.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), query.Get("sign"))
		assert.Equal(t, "application/json; charset=utf-8", req.Header.Get("Content-Type"))
		_, _ = w.Write([]byte(`{"errcode":0,"errmsg":"ok"}`))
	})
	require.NoError(t, r.Send(t.Context(), []byte(`{}`)))
}

func TestAddress(t *testing.T) {
	got, err := Address{URL: "https://oapi.dingtalk.com/robot/send?access_token=a"}.signed(time.UnixMilli(1))
	require.NoError(t, err)
	assert.Equal(t, "https://oapi.dingtalk.com/robot/send?access_token=a", got)

	// Computed with openssl: printf '1\nSECx' | openssl dgst -sha256 -hmac SECx -binary | base64
	got, err = Address{URL: "https://oapi.dingtalk.com/robot/send?access_token=a", Secret: "SECx"}.signed(time.UnixMilli(1))
	require.NoError(t, err)
	assert.Equal(t, "https://oapi.dingtalk.com/robot/send?access_token=a&sign=7wsRCQGrqU21fxn1E7zFiUDn2VqRguKM%2B2Kg2yBdS8E%3D&timestamp=1", got)

	for _, wrong := range []string{"", "oapi.dingtalk.com/robot/send?access_token=" + token, "ftp://host/" + token, "://" + token} {
		err := Address{URL: wrong}.Validate()
		require.ErrorContains(t, err, "is not valid")
		assert.NotContains(t, err.Error(), token)
	}
	for _, plain := range []string{"http://oapi.dingtalk.com", "http://10.0.0.1:8080", "http://localhost.example.com", "HTTP://127.0.0.1.example.com"} {
		assert.True(t, Address{URL: plain + "/robot/send?access_token=" + token}.IsPlain(), plain)
	}
	for _, safe := range []string{"https://oapi.dingtalk.com", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"} {
		assert.False(t, Address{URL: safe}.IsPlain(), safe)
	}
}

func TestSend(t *testing.T) {
	const ok = `{"errcode":0,"errmsg":"ok"}`
	type reply struct {
		status int
		body   string
	}
	for name, tt := range map[string]struct {
		replies   []reply // the last one again and again
		attempts  int32
		err       string // empty if the message is taken
		permanent bool
	}{
		"taken":                      {replies: []reply{{200, ok}}, attempts: 1},
		"taken at the second try":    {replies: []reply{{200, `{"errcode":-1,"errmsg":"busy"}`}, {200, ok}}, attempts: 2},
		"too fast, then taken":       {replies: []reply{{200, `{"errcode":130101,"errmsg":"too fast"}`}, {200, ok}}, attempts: 2},
		"throttled, then taken":      {replies: []reply{{200, `{"errcode":410100,"errmsg":"too fast"}`}, {200, ok}}, attempts: 2},
		"bad gateway, then taken":    {replies: []reply{{502, "<html>"}, {429, ""}, {200, "<html>"}, {200, "{}"}, {200, ok}}, attempts: 5},
		"the signature is wrong":     {replies: []reply{{200, `{"errcode":310000,"errmsg":"sign not match"}`}}, attempts: 1, err: "errcode 310000: sign not match; check the robot's security settings", permanent: true},
		"the token is wrong":         {replies: []reply{{200, `{"errcode":300005,"errmsg":"token is not exist"}`}}, attempts: 1, err: "token is not exist", permanent: true},
		"too long":                   {replies: []reply{{200, `{"errcode":460101,"errmsg":"message too long"}`}}, attempts: 1, err: "errcode 460101: message too long; shorten the message", permanent: true},
		"not DingTalk":               {replies: []reply{{404, "not found"}}, attempts: 1, err: "HTTP status 404", permanent: true},
		"a redirect is not followed": {replies: []reply{{302, ""}}, attempts: 1, err: "HTTP status 302", permanent: true},
	} {
		t.Run(name, func(t *testing.T) {
			var attempts atomic.Int32
			r := newRobot(t, func(w http.ResponseWriter, _ *http.Request) {
				reply := tt.replies[min(int(attempts.Add(1)), len(tt.replies))-1]
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(reply.status)
				_, _ = w.Write([]byte(reply.body))
			})
			err := r.Send(t.Context(), []byte(`{}`))
			assert.Equal(t, tt.attempts, attempts.Load())
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.err)
			assert.Equal(t, tt.permanent, !IsTemporary(err))
			assert.NotContains(t, err.Error(), token)
		})
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var attempts atomic.Int32
	r := newRobot(t, func(w http.ResponseWriter, _ *http.Request) {
		if attempts.Add(1) == 2 {
			cancel()
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	err := r.Send(ctx, []byte(`{}`))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "HTTP status 502", "why it was not taken before")
	assert.True(t, IsTemporary(err))
	assert.NotContains(t, err.Error(), token)
}

func TestNetworkErrorsHideTheToken(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	r := NewRobot(func() (Address, error) {
		return Address{URL: server.URL + "/?access_token=" + token, Secret: secret}, nil
	})
	err := r.attempt(t.Context(), nil)
	require.ErrorContains(t, err, "refused")
	assert.True(t, IsTemporary(err))
	assert.NotContains(t, err.Error(), token)
}

func TestAddressIsAskedForBeforeEachAttempt(t *testing.T) {
	r := newRobot(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"errcode":0}`)) })
	address, asked := r.address, 0
	r.address = func() (Address, error) {
		if asked++; asked == 1 {
			return Address{}, errors.New("the file is not there yet")
		}
		return address()
	}
	require.NoError(t, r.Send(t.Context(), []byte(`{}`)))
	assert.Equal(t, 2, asked)
}

func TestTooLong(t *testing.T) {
	r := newRobot(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	err := r.Send(t.Context(), []byte(strings.Repeat("x", MaxBytes+1)))
	require.ErrorContains(t, err, "20001 bytes")
	assert.False(t, IsTemporary(err))
}

func TestSendWaitsForTheLimit(t *testing.T) {
	r := newRobot(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"errcode":0}`)) })
	r.limiter = rate.NewLimiter(rate.Every(time.Hour), 1)
	require.NoError(t, r.Send(t.Context(), []byte(`{}`)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	err := r.Send(ctx, []byte(`{}`))
	require.ErrorContains(t, err, "limit of 20 messages a minute")
	assert.True(t, IsTemporary(err))
	assert.Less(t, time.Since(began), 30*time.Second, "the error comes at once, since there is no room before the deadline")
}

// TestLimit: in any minute there are at most 20 messages.
func TestLimit(t *testing.T) {
	limiter := NewRobot(nil).limiter
	start := time.Unix(0, 0)
	var sent []time.Time
	for second := range 600 {
		for limiter.AllowN(start.Add(time.Duration(second)*time.Second), 1) {
			sent = append(sent, start.Add(time.Duration(second)*time.Second))
		}
	}
	for i := 20; i < len(sent); i++ {
		assert.GreaterOrEqual(t, sent[i].Sub(sent[i-20]), time.Minute)
	}
	assert.Greater(t, len(sent), 100)
}
