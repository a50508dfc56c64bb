package alikafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const testSecret = "sentinel-secret/+=value"

func newTestClient(t *testing.T, endpoint string, transport http.RoundTripper) *Client {
	t.Helper()
	c, err := NewClient(alicloud.Settings{
		Region: "cn-hangzhou", Endpoint: endpoint, HTTPClient: &http.Client{Transport: transport},
		Credentials: alicloud.CredentialSettings{Type: alicloud.CredentialAccessKey, AccessKeyID: "test-key-id", AccessKeySecret: testSecret},
	})
	require.NoError(t, err)
	return c
}

// serve returns a client of a server that answers with h.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return newTestClient(t, server.URL, transport)
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestRequest(t *testing.T) {
	requests := make(chan *http.Request, 1)
	body := string(goldenReply(t))
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		_, _ = io.WriteString(w, body)
	})
	progress, err := c.Progress(t.Context(), "alikafka_post-cn-abc", "a group/+=")
	require.NoError(t, err)
	assert.Equal(t, goldenProgress, progress)

	r := <-requests
	assert.Equal(t, "GetConsumerProgress", r.Header.Get("X-Acs-Action"))
	assert.Equal(t, "2019-09-16", r.Header.Get("X-Acs-Version"))
	require.NoError(t, alicloudtest.CheckSignature(r, testSecret))
	require.Error(t, alicloudtest.CheckSignature(r, "another"))
	assert.Equal(t, url.Values{
		"RegionId": {"cn-hangzhou"}, "InstanceId": {"alikafka_post-cn-abc"}, "ConsumerId": {"a group/+="}, "HideLastTimestamp": {"true"},
	}, r.URL.Query())
}

// TestErrors has failures that are not repeated.
func TestErrors(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		kind   alicloud.Kind
		want   string
	}{
		"permission":           {403, `{"Code":"Forbidden.RAM","Message":"no"}`, alicloud.KindForbidden, "Forbidden.RAM (HTTP 403): no; grant the RAM identity the action alikafka:ListGroup"},
		"permission, no code":  {403, ``, alicloud.KindForbidden, "alikafka:ListGroup"},
		"permission, HTTP 200": {200, `{"Success":false,"Code":403,"Message":"no"}`, alicloud.KindForbidden, "alikafka:ListGroup"},
		"no instance":          {400, `{"Code":"BIZ_INSTANCE_NOT_FOUND"}`, alicloud.KindInvalidRequest, "AliKafka refused the query"},
		"secret":               {400, `{"Code":"SignatureDoesNotMatch","Message":"you sent ` + testSecret + `"}`, alicloud.KindBadCredentials, "you sent [redacted]; check the credentials section"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			progress, err := serve(t, answer(tt.status, tt.body)).Progress(t.Context(), "i", "g")
			assert.Nil(t, progress)
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, tt.kind, alicloud.KindOf(err))
			assert.NotContains(t, fmt.Sprintf("%#v", err), "sentinel")
		})
	}
}

func TestGroupThatDoesNotExist(t *testing.T) {
	for _, status := range []int{200, 400, 404} {
		progress, err := serve(t, answer(status, `{"Success":false,"Code":"BIZ_SUBSCRIPTION_NOT_FOUND"}`)).Progress(t.Context(), "i", "g")
		require.NoError(t, err)
		assert.Equal(t, Progress{}, progress)
	}
}

func TestNewClient(t *testing.T) {
	settings := alicloud.Settings{HTTPClient: &http.Client{}}
	_, err := NewClient(settings)
	require.ErrorContains(t, err, "region: must be set")
	settings.Region = "cn-hangzhou"
	_, err = NewClient(settings)
	require.ErrorContains(t, err, `type "" is unknown`)
	settings.Region, settings.Endpoint = "cn-hangzhou", "http://example.com"
	_, err = NewClient(settings)
	require.ErrorContains(t, err, "endpoint: must be https://")
}

// transport answers without a network, so that it works in a bubble of synctest.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func TestDefaultEndpoints(t *testing.T) {
	for network, want := range map[string]string{
		"public": "https://alikafka.cn-hangzhou.aliyuncs.com", "vpc": "https://alikafka-vpc.cn-hangzhou.aliyuncs.com",
	} {
		var asked string
		c, err := NewClient(alicloud.Settings{
			Region: "cn-hangzhou", Network: network,
			HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.Scheme + "://" + r.URL.Host
				return reply(403, nil, ""), nil
			})},
			Credentials: alicloud.CredentialSettings{Type: alicloud.CredentialAccessKey, AccessKeyID: "test-key-id", AccessKeySecret: testSecret},
		})
		require.NoError(t, err)
		_, err = c.Progress(t.Context(), "i", "g")
		require.Error(t, err)
		assert.Equal(t, want, asked)
	}
}

func TestRetries(t *testing.T) {
	tests := map[string]struct {
		failure func() (*http.Response, error)
		least   time.Duration // until the second call
		most    time.Duration
	}{
		"throttled":    {func() (*http.Response, error) { return reply(400, nil, `{"Code":"Throttling.User"}`), nil }, firstWait / 2, firstWait * 3 / 2},
		"flow control": {func() (*http.Response, error) { return reply(400, nil, `{"Code":"ONS_SYSTEM_FLOW_CONTROL"}`), nil }, firstWait / 2, firstWait * 3 / 2},
		"flow, status 200": {func() (*http.Response, error) {
			return reply(200, nil, `{"Success":false,"Code":"ONS_SYSTEM_FLOW_CONTROL"}`), nil
		}, firstWait / 2, firstWait * 3 / 2},
		"told to wait": {func() (*http.Response, error) {
			return reply(429, http.Header{"Retry-After": {"20"}}, ""), nil
		}, 20 * time.Second, 20 * time.Second},
		"server":  {func() (*http.Response, error) { return reply(503, nil, ""), nil }, firstWait / 2, firstWait * 3 / 2},
		"network": {func() (*http.Response, error) { return nil, errors.New("connection refused") }, firstWait / 2, firstWait * 3 / 2},
	}
	golden := string(goldenReply(t))
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, began := 0, time.Now()
				c := newTestClient(t, "https://example.com", transport(func(*http.Request) (*http.Response, error) {
					if calls++; calls == 1 {
						return tt.failure()
					}
					return reply(200, nil, golden), nil
				}))
				progress, err := c.Progress(t.Context(), "i", "g")
				require.NoError(t, err)
				assert.Equal(t, goldenProgress, progress)
				assert.Equal(t, 2, calls)
				assert.GreaterOrEqual(t, time.Since(began), tt.least)
				assert.LessOrEqual(t, time.Since(began), tt.most)
			})
		})
	}
}

func TestRetriesEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		calls, began := 0, time.Now()
		c := newTestClient(t, "https://example.com", transport(func(*http.Request) (*http.Response, error) {
			calls++
			return reply(400, nil, `{"Code":"Throttling.User"}`), nil
		}))
		_, err := c.Progress(ctx, "i", "g")
		assert.Equal(t, alicloud.KindThrottled, alicloud.KindOf(err))
		assert.Greater(t, calls, 7)
		assert.Less(t, calls, 30, "the waits do not grow")
		assert.LessOrEqual(t, time.Since(began), 2*time.Minute)
	})
}

// TestCauseBeforeTheEnd has a call that hangs after one that failed.
func TestCauseBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		calls := 0
		c := newTestClient(t, "https://example.com", transport(func(r *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return reply(400, nil, `{"Code":"ONS_SYSTEM_FLOW_CONTROL"}`), nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		_, err := c.Progress(ctx, "i", "g")
		assert.Equal(t, alicloud.KindThrottled, alicloud.KindOf(err))
		assert.Equal(t, 2, calls)
	})
}

func TestLargeReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // no time for a second call
		defer cancel()
		c := newTestClient(t, "https://example.com", transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader(strings.Repeat(" ", 9<<20)))}, nil
		}))
		_, err := c.Progress(ctx, "i", "g")
		require.ErrorContains(t, err, "reply over 8 MiB; check that endpoint and proxy lead to AliKafka")
	})
}

// TestRefusedCredentials has a session that is refused once, and asked for anew at once.
func TestRefusedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, sessions, began := 0, 0, time.Now()
		golden := string(goldenReply(t))
		settings := alicloud.Settings{
			Region: "cn-hangzhou",
			HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "credentials.local" {
					sessions++
					return reply(200, nil, `{"AccessKeyId":"a","AccessKeySecret":"b","SecurityToken":"c","Expiration":"2099-01-01T00:00:00Z"}`), nil
				}
				if calls++; calls == 1 {
					return reply(400, nil, `{"Code":"InvalidSecurityToken.Expired"}`), nil
				}
				return reply(200, nil, golden), nil
			})},
			Credentials: alicloud.CredentialSettings{Type: alicloud.CredentialURI, URL: "http://credentials.local/"},
		}
		c, err := NewClient(settings)
		require.NoError(t, err)
		_, err = c.Progress(t.Context(), "i", "g")
		require.NoError(t, err)
		assert.Equal(t, 2, sessions)
		assert.Zero(t, time.Since(began), "it waited")
	})
}
