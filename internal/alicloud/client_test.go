package alicloud

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
)

func TestLargeBufferIsNotKept(t *testing.T) {
	for size, kept := range map[int]bool{1000: true, maxKeptBytes + 1: false} {
		var r reply
		r.body.Write(make([]byte, size))
		r.reset()
		assert.Zero(t, r.body.Len())
		assert.Equal(t, kept, r.body.Cap() > 0)
	}
}

func TestCanceled(t *testing.T) {
	arrived := make(chan struct{}, 1)
	c := staticClient(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"Success":`)
		w.(http.Flusher).Flush()
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	err := ask(ctx, c)
	assert.Equal(t, KindCanceled, KindOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestDeadline(t *testing.T) {
	c := staticClient(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := ask(ctx, c)
	assert.Equal(t, KindNetwork, KindOf(err))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestClientTimeout(t *testing.T) {
	endpoint, httpClient := alicloudtest.Serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	httpClient.Timeout = 10 * time.Millisecond
	err := ask(t.Context(), newTestClient(t, staticSettings(endpoint, httpClient)))
	assert.Equal(t, KindNetwork, KindOf(err))
	assert.NotContains(t, err.Error(), "Namespace", "the URL is in the error")
}

func TestReplyThatCannotBeRead(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		kind    Kind
		status  int
		message string
	}{
		"announced too long": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "8388609")
				w.WriteHeader(http.StatusOK)
			},
			kind: KindMalformedReply, status: 200, message: "reply over 8 MiB",
		},
		"endless": {
			handler: func(w http.ResponseWriter, _ *http.Request) { writeForever(w) },
			kind:    KindMalformedReply, status: 200, message: "reply over 8 MiB",
		},
		"endless error": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadGateway)
				writeForever(w)
			},
			kind: KindServer, status: 502,
		},
		"ends early": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, goodReply)
			},
			kind: KindMalformedReply, status: 200, message: "reply ends early",
		},
		"connection closed": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if assert.NoError(t, err) {
					_ = conn.Close()
				}
			},
			kind: KindNetwork, message: "EOF",
		},
		"redirect": {
			handler: func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					t.Error("the redirect was followed")
				}
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			},
			kind: KindMalformedReply, status: 307,
		},
		"no content": {
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
			kind:    KindMalformedReply, status: 204,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := staticClient(t, tt.handler)
			for range 3 { // its memory is used again after a failure
				err := ask(t.Context(), c)
				var e *Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tt.kind, e.Kind)
				assert.Equal(t, tt.status, e.Status)
				assert.Equal(t, tt.message, e.Message)
				assert.True(t, e.Retryable())
				assert.Equal(t, tt.status == 0, e.Date.IsZero())
			}
		})
	}
}

func writeForever(w io.Writer) {
	chunk := make([]byte, 64<<10)
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c := newTestClient(t, staticSettings(server.URL, &http.Client{}))
	err := ask(t.Context(), c)
	assert.Equal(t, KindNetwork, KindOf(err))
	require.ErrorContains(t, err, "connection refused")
	assert.NotContains(t, err.Error(), "acs_kafka", "the URL is in the error")
}

func TestRefusedCredentialsAreDropped(t *testing.T) {
	const expired = `{"Code":"InvalidSecurityToken.Expired","Message":"Specified SecurityToken is expired.","RequestId":"R"}`
	tests := map[string]struct {
		typ         CredentialType
		wantRenewed bool
		wantAsked   int32 // how often the credentials URI is asked for two calls
	}{
		"renewable":     {typ: CredentialURI, wantRenewed: true, wantAsked: 2},
		"not renewable": {typ: CredentialSTS},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var calls, asked atomic.Int32
			endpoint, httpClient := alicloudtest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/credentials" {
					asked.Add(1)
					_, _ = io.WriteString(w, sessionJSON(time.Hour))
					return
				}
				if calls.Add(1) == 1 {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, expired)
					return
				}
				_, _ = io.WriteString(w, goodReply)
			})
			s := staticSettings(endpoint, httpClient)
			s.Credentials.Type, s.Credentials.URL = tt.typ, endpoint+"/credentials"
			c := newTestClient(t, s)

			err := ask(t.Context(), c)
			var failure *Error
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, KindExpiredToken, failure.Kind)
			assert.Equal(t, tt.wantRenewed, failure.Renewed)

			err = ask(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, tt.wantAsked, asked.Load())
		})
	}
}

func TestNewClientErrors(t *testing.T) {
	tests := map[string]struct {
		change func(*Settings)
		want   string
	}{
		"http":                {change: func(s *Settings) { s.Endpoint = "http://metrics.cn-hangzhou.aliyuncs.com" }, want: `endpoint: must be https://host[:port], or http:// for a loopback host, not "http://metrics.cn-hangzhou.aliyuncs.com"`},
		"no scheme":           {change: func(s *Settings) { s.Endpoint = "metrics.cn-hangzhou.aliyuncs.com" }, want: "must be https://host"},
		"empty":               {change: func(s *Settings) { s.Endpoint = "" }, want: "must be https://host"},
		"port 0":              {change: func(s *Settings) { s.Endpoint = "https://host:0" }, want: "must be https://host"},
		"port too large":      {change: func(s *Settings) { s.Endpoint = "https://host:65536" }, want: "must be https://host"},
		"path":                {change: func(s *Settings) { s.Endpoint = "https://host/path" }, want: "without user, path or query"},
		"query":               {change: func(s *Settings) { s.Endpoint = "https://host?a=b" }, want: "without user, path or query"},
		"password":            {change: func(s *Settings) { s.Endpoint = "https://user:" + testSecret + "@host" }, want: "endpoint"},
		"no URL":              {change: func(s *Settings) { s.Endpoint = "https://user:%zz" + testSecret + "@host" }, want: "endpoint: must be"},
		"unknown credentials": {change: func(s *Settings) { s.Credentials.Type = "password" }, want: `credentials::type password: type "password" is unknown`},
		"no role":             {change: func(s *Settings) { s.Credentials.Type = CredentialRAMRoleARN }, want: "credentials::type ram_role_arn: role_arn is empty: set it, or ALIBABA_CLOUD_ROLE_ARN in the environment"},
		"no HTTP client":      {change: func(s *Settings) { s.HTTPClient = nil }, want: "an HTTP client is required"},
		"bad region":          {change: func(s *Settings) { s.Region = "cn hangzhou/" }, want: "endpoint of STS: must be https://host"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			s := staticSettings("https://metrics.cn-hangzhou.aliyuncs.com", &http.Client{})
			tt.change(&s)
			_, err := NewClient(s)
			require.ErrorContains(t, err, tt.want)
			assertNoSecret(t, err)
		})
	}
}

func TestNewClientEndpoints(t *testing.T) {
	for _, endpoint := range []string{
		"https://metrics.cn-hangzhou.aliyuncs.com", "https://cms-vpc.cn-hangzhou.aliyuncs.com:443/", "http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1",
	} {
		_, err := NewClient(staticSettings(endpoint, &http.Client{}))
		assert.NoError(t, err, endpoint)
	}
}

func TestKindOfForeignErrors(t *testing.T) {
	assert.Empty(t, KindOf(nil))
	assert.Empty(t, KindOf(errors.New("x")))
}

func TestRemedyOfTheService(t *testing.T) {
	c := staticClient(t, alicloudtest.Answer(http.StatusForbidden, nil, ""))
	require.ErrorContains(t, ask(t.Context(), c), "; grant the action")
	c = staticClient(t, alicloudtest.Answer(http.StatusBadGateway, nil, ""))
	assert.ErrorContains(t, ask(t.Context(), c), "; "+remedies[KindServer])
}

// TestSharedErrorIsNotChanged has two callers that get the error of one renewal.
func TestSharedErrorIsNotChanged(t *testing.T) {
	shared := badCredentials("no key")
	c := &Client{remedies: map[Kind]string{KindBadCredentials: "look"}}
	require.ErrorContains(t, c.advise(shared), "; look")
	assert.Empty(t, shared.Remedy)
}
