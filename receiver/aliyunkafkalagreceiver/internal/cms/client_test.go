package cms

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

func TestRequest(t *testing.T) {
	requests := make(chan *http.Request, 1)
	endpoint, httpClient := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		_, _ = io.WriteString(w, onePoint)
	})
	s := staticSettings(endpoint, httpClient)
	s.UserAgent = "otelcol-aliyunkafkalag/1.2.3"
	q := testQuery
	q.NextToken = "a token/+="

	page, err := newTestClient(t, s).DescribeMetricList(t.Context(), q)
	require.NoError(t, err)
	assert.Equal(t, []lag.Point{groupPoint}, page.Points)
	assert.WithinDuration(t, time.Now(), page.Date, time.Minute)

	r := <-requests
	assert.Equal(t, http.MethodPost, r.Method)
	assert.Equal(t, "DescribeMetricList", r.Header.Get("X-Acs-Action"))
	assert.Equal(t, "2019-01-01", r.Header.Get("X-Acs-Version"))
	assert.Equal(t, testToken, r.Header.Get("X-Acs-Security-Token"))
	assert.Equal(t, testID, r.Header.Get("X-Acs-Accesskey-Id"))
	assert.Equal(t, "application/json", r.Header.Get("Accept"))
	assert.Zero(t, r.ContentLength)
	assert.True(t, strings.HasSuffix(r.UserAgent(), " otelcol-aliyunkafkalag/1.2.3"), r.UserAgent())
	require.NoError(t, checkSignature(r, testSecret))
	want := map[string]string{
		"Namespace":  "acs_kafka",
		"MetricName": "message_accumulation",
		"Period":     "60",
		"StartTime":  "1700000000000",
		"EndTime":    "1700000300000",
		"Length":     "1440",
		"Dimensions": `[{"instanceId":"alikafka_post-cn-abc"},{"instanceId":"alikafka_post-cn-def"}]`,
		"NextToken":  "a token/+=",
	}
	got := map[string]string{}
	for k, v := range r.URL.Query() {
		require.Len(t, v, 1)
		got[k] = v[0]
	}
	assert.Equal(t, want, got)
}

func TestRequestForEveryInstance(t *testing.T) {
	query := make(chan string, 1)
	c := staticClient(t, func(w http.ResponseWriter, r *http.Request) {
		query <- r.URL.RawQuery
		_, _ = io.WriteString(w, onePoint)
	})
	q := testQuery
	q.Instances = nil
	_, err := c.DescribeMetricList(t.Context(), q)
	require.NoError(t, err)
	raw := <-query
	assert.NotContains(t, raw, "Dimensions")
	assert.NotContains(t, raw, "NextToken")
}

func TestRequestByName(t *testing.T) {
	query := make(chan url.Values, 1)
	c := staticClient(t, func(w http.ResponseWriter, r *http.Request) {
		query <- r.URL.Query()
		_, _ = io.WriteString(w, onePoint)
	})
	q := testQuery
	q.Names = []lag.Key{{Instance: "i", Group: `g"1`}, {Instance: "j", Group: "g", Topic: "t"}}
	_, err := c.DescribeMetricList(t.Context(), q)
	require.NoError(t, err)
	assert.JSONEq(t, `[{"instanceId":"i","consumerGroup":"g\"1"},{"instanceId":"j","consumerGroup":"g","topic":"t"}]`, (<-query).Get("Dimensions"))
}

func TestTopicMetric(t *testing.T) {
	const reply = `{"Code":"200","Datapoints":[` + pointJSON + `]}`
	for metric, topic := range map[string]string{MetricAccumulation: "", MetricTopicAccumulation: "t"} {
		q := testQuery
		q.MetricName = metric
		page, err := staticClient(t, answer(http.StatusOK, nil, reply)).DescribeMetricList(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, page.Points, 1)
		assert.Equal(t, topic, page.Points[0].Topic)
	}
}

func TestLargeBufferIsNotKept(t *testing.T) {
	for size, kept := range map[int]bool{1000: true, maxKeptBytes + 1: false} {
		var r reply
		r.body.Write(make([]byte, size))
		r.reset()
		assert.Zero(t, r.body.Len())
		assert.Equal(t, kept, r.body.Cap() > 0)
	}
}

func TestTooManyInstances(t *testing.T) {
	c := staticClient(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	q := testQuery
	q.Instances = make([]string, MaxInstances+1)
	_, err := c.DescribeMetricList(t.Context(), q)
	assert.Equal(t, KindInvalidRequest, KindOf(err))
	require.ErrorContains(t, err, "51 instances or series in one query, at most 50 are allowed")
	q.Instances, q.Names = nil, make([]lag.Key, MaxInstances+1)
	_, err = c.DescribeMetricList(t.Context(), q)
	assert.Equal(t, KindInvalidRequest, KindOf(err))
}

func TestConcurrentCalls(t *testing.T) {
	const calls = 60
	var nonces sync.Map
	c := staticClient(t, func(w http.ResponseWriter, r *http.Request) {
		if _, seen := nonces.LoadOrStore(r.Header.Get("X-Acs-Signature-Nonce"), true); seen {
			t.Error("a nonce was used twice")
		}
		if err := checkSignature(r, testSecret); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(onePoint, "42", r.URL.Query().Get("NextToken")))
	})
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			q := testQuery
			q.NextToken = string(rune('1' + i%9))
			page, err := c.DescribeMetricList(t.Context(), q)
			if assert.NoError(t, err) && assert.Len(t, page.Points, 1) {
				assert.InDelta(t, 1+i%9, page.Points[0].Value, 0, "the reply of another call")
			}
		})
	}
	wg.Wait()
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
	_, err := c.DescribeMetricList(ctx, testQuery)
	assert.Equal(t, KindCanceled, KindOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestDeadline(t *testing.T) {
	c := staticClient(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := c.DescribeMetricList(ctx, testQuery)
	assert.Equal(t, KindNetwork, KindOf(err))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestClientTimeout(t *testing.T) {
	endpoint, httpClient := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	httpClient.Timeout = 10 * time.Millisecond
	_, err := newTestClient(t, staticSettings(endpoint, httpClient)).DescribeMetricList(t.Context(), testQuery)
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
				_, _ = io.WriteString(w, onePoint)
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
				_, err := c.DescribeMetricList(t.Context(), testQuery)
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
	_, err := c.DescribeMetricList(t.Context(), testQuery)
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
			endpoint, httpClient := serve(t, func(w http.ResponseWriter, r *http.Request) {
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
				_, _ = io.WriteString(w, onePoint)
			})
			s := staticSettings(endpoint, httpClient)
			s.Credentials.Type, s.Credentials.URL = tt.typ, endpoint+"/credentials"
			c := newTestClient(t, s)

			_, err := c.DescribeMetricList(t.Context(), testQuery)
			var failure *Error
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, KindExpiredToken, failure.Kind)
			assert.Equal(t, tt.wantRenewed, failure.Renewed)

			_, err = c.DescribeMetricList(t.Context(), testQuery)
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
