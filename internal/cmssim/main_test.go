package cmssim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// testStart is when simulators of tests start, a full hour.
var testStart = time.UnixMilli(1_700_002_800_000).UTC()

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// simulator is a server that is asked over HTTP.
type simulator struct {
	*Server
	t     *testing.T
	clock *clock
	http  *httptest.Server
}

func start(t *testing.T, opts Options) *simulator {
	t.Helper()
	s := &simulator{t: t, clock: &clock{t: testStart}}
	opts.Clock = s.clock.now
	var err error
	s.Server, err = New(opts)
	require.NoError(t, err)
	s.http = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		s.http.Close()
	})
	return s
}

// startYAML starts a simulator with the scenario of a YAML text.
func startYAML(t *testing.T, text string) *simulator {
	t.Helper()
	sc, err := parseScenario("test", []byte(text))
	require.NoError(t, err)
	return start(t, Options{Scenario: sc})
}

// params are the parameters of a query for the last 10 minutes, changed by pairs of key and value; "" deletes.
func (s *simulator) params(changes ...string) url.Values {
	now := s.Now()
	v := url.Values{}
	v.Set("Namespace", "acs_kafka")
	v.Set("MetricName", "message_accumulation")
	v.Set("Period", "60")
	v.Set("StartTime", strconv.FormatInt(now.Add(-10*time.Minute).UnixMilli(), 10))
	v.Set("EndTime", strconv.FormatInt(now.UnixMilli(), 10))
	v.Set("Length", "1440")
	for pair := range slices.Chunk(changes, 2) {
		v.Set(pair[0], pair[1])
		if pair[1] == "" {
			v.Del(pair[0])
		}
	}
	return v
}

var nonceCount atomic.Uint64

// request makes a signed request; change may spoil it before it is signed.
func (s *simulator) request(ctx context.Context, params url.Values, body string, change func(*http.Request)) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.http.URL+"/?"+params.Encode(), strings.NewReader(body))
	require.NoError(s.t, err)
	hash := sha256.Sum256([]byte(body))
	r.Header.Set("x-acs-action", "DescribeMetricList")
	r.Header.Set("x-acs-version", "2019-01-01")
	r.Header.Set("x-acs-date", s.Now().UTC().Format(dateLayout))
	r.Header.Set("x-acs-signature-nonce", fmt.Sprintf("nonce-%d", nonceCount.Add(1)))
	r.Header.Set("x-acs-content-sha256", hex.EncodeToString(hash[:]))
	if change != nil {
		change(r)
	}
	sign(r, headersToSign(r), AccessKeyID, AccessKeySecret)
	return r
}

func sign(r *http.Request, headers []string, id, secret string) {
	r.Header.Set("Authorization", fmt.Sprintf("ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s",
		id, strings.Join(headers, ";"), signature(r, headers, secret)))
}

func (s *simulator) send(r *http.Request) (status int, body string) {
	s.t.Helper()
	resp, err := s.http.Client().Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(data)
}

// ask sends a query and returns the reply as it is.
func (s *simulator) ask(params url.Values) (status int, body string) {
	s.t.Helper()
	return s.send(s.request(s.t.Context(), params, "", nil))
}

// page is a decoded reply.
type page struct {
	RequestID  string `json:"RequestId"`
	Success    any
	Code       any
	Message    string
	Period     any
	NextToken  any
	Datapoints any
}

func (s *simulator) page(params url.Values) page {
	s.t.Helper()
	status, body := s.ask(params)
	require.Equal(s.t, http.StatusOK, status, body)
	var p page
	require.NoError(s.t, json.Unmarshal([]byte(body), &p))
	return p
}

// point is one element of Datapoints.
type point struct {
	Timestamp     int64
	UserID        string `json:"userId"`
	InstanceID    string
	ConsumerGroup string
	Topic         string
	Value         float64
}

func (p page) points(t *testing.T) []point {
	t.Helper()
	text, ok := p.Datapoints.(string)
	require.True(t, ok, "Datapoints is %T", p.Datapoints)
	var points []point
	require.NoError(t, json.Unmarshal([]byte(text), &points))
	return points
}

// points asks for one page and returns, by group or topic, "<minutes since the start>=<value>".
func (s *simulator) points(params url.Values) map[string][]string {
	s.t.Helper()
	p := s.page(params)
	assert.Nil(s.t, p.NextToken)
	return describe(p.points(s.t))
}

func describe(points []point) map[string][]string {
	out := map[string][]string{}
	for _, p := range points {
		name := p.ConsumerGroup
		if p.Topic != "" {
			name += "/" + p.Topic
		}
		minutes := time.UnixMilli(p.Timestamp).Sub(testStart).Minutes()
		out[name] = append(out[name], fmt.Sprintf("%v=%v", minutes, p.Value))
	}
	return out
}

// refusal sends a request that is refused, and returns status and error.
func (s *simulator) refusal(r *http.Request) (status int, e map[string]string) {
	s.t.Helper()
	status, body := s.send(r)
	require.NoError(s.t, json.Unmarshal([]byte(body), &e), body)
	assert.Equal(s.t, []string{"Code", "HostId", "Message", "Recommend", "RequestId"}, slices.Sorted(maps.Keys(e)))
	return status, e
}
