package cmssim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const oneGroup = `instances: [{id: a, groups: [{name: g, lag: [{at: 0s, lag: 7}]}]}]`

// lastTwo asks for the points of one minute before the start and the start.
func (s *simulator) lastTwo() (status int, body string) {
	return s.ask(s.params("StartTime", unixMilli(-2)))
}

func TestErrorFaults(t *testing.T) {
	tests := map[FaultKind]struct {
		status int
		code   string
	}{
		FaultThrottled:        {400, "Throttling.User"},
		FaultQuotaExhausted:   {402, "LimitExceeded"},
		FaultNoPermission:     {403, "NoPermission"},
		FaultInvalidParameter: {400, "InvalidParameter"},
		FaultResourceNotFound: {404, "ResourceNotFound"},
		FaultInternalError:    {500, "InternalError"},
	}
	assert.Len(t, tests, len(errorFaults))
	for kind, tt := range tests {
		t.Run(string(kind), func(t *testing.T) {
			s := startYAML(t, oneGroup)
			require.NoError(t, s.InjectFault(Fault{Kind: kind, Times: 1}))
			status, e := s.refusal(s.request(t.Context(), s.params(), "", nil))
			assert.Equal(t, tt.status, status)
			assert.Equal(t, tt.code, e["Code"])
			status, _ = s.lastTwo()
			assert.Equal(t, http.StatusOK, status)

			log := s.Requests()
			require.Len(t, log, 2)
			assert.Equal(t, kind, log[0].Fault)
			assert.Equal(t, tt.code, log[0].Outcome)
			assert.Equal(t, Request{
				Time: testStart, Action: "DescribeMetricList", Metric: MetricAccumulation, Period: 60,
				Start: testStart.Add(-2 * time.Minute), End: testStart, Length: 1440, Outcome: OutcomeOK, Points: 2,
			}, log[1])
		})
	}
}

func TestThrottledHasAHeader(t *testing.T) {
	s := start(t, Options{})
	require.NoError(t, s.InjectFault(Fault{Kind: FaultThrottled}))
	resp, err := s.http.Client().Do(s.request(t.Context(), s.params(), "", nil))
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Contains(t, resp.Header.Get("X-Ratelimit-User-Api"), "TimeLeft:1000")
}

func TestReplyFaults(t *testing.T) {
	const good = `{\"timestamp\":1700002740000,\"userId\":\"1000000000000001\",\"instanceId\":\"a\",\"consumerGroup\":\"g\",\"Value\":7}`
	newest := strings.Replace(good, "2740000", "2800000", 1)
	tests := map[FaultKind]struct {
		status   int
		contains []string
		lacks    []string
	}{
		FaultBadGateway:      {status: 502, contains: []string{"<html>"}, lacks: []string{"RequestId"}},
		FaultNoSuccess:       {status: 200, contains: []string{`"Success":false`, `"Code":"500"`}, lacks: []string{"Datapoints"}},
		FaultDuplicatePoints: {status: 200, contains: []string{good + "," + good + "," + newest + "," + newest}},
		FaultLatePoints:      {status: 200, contains: []string{good}, lacks: []string{newest}},
		FaultMalformedPoints: {status: 200, contains: []string{"[null," + good + ",7," + newest + ",", "1e999", "malformed_negative"}},
	}
	for kind, tt := range tests {
		t.Run(string(kind), func(t *testing.T) {
			s := startYAML(t, oneGroup)
			require.NoError(t, s.InjectFault(Fault{Kind: kind, Times: 1}))
			status, body := s.lastTwo()
			assert.Equal(t, tt.status, status)
			for _, part := range tt.contains {
				assert.Contains(t, body, part)
			}
			for _, part := range tt.lacks {
				assert.NotContains(t, body, part)
			}
			assert.Equal(t, kind, s.Requests()[0].Fault)
			_, body = s.lastTwo()
			assert.Contains(t, body, `"Datapoints":"[`+good+","+newest+`]"}`, "the fault went on")
		})
	}
}

func TestMalformedPoints(t *testing.T) {
	s := startYAML(t, oneGroup)
	for _, changes := range [][]string{
		nil,
		{"Dimensions", `{"instanceId":"a"}`},
		{"MetricName", MetricTopicAccumulation},
	} {
		q, err := parseQuery(s.params(changes...))
		require.Nil(t, err)
		points := s.malformedPoints(q)
		assert.Len(t, points, 22)
		seen := map[string]bool{}
		for _, p := range points {
			seen[p] = true
			bare := strings.Contains(p, "NaN") || strings.Contains(p, "Infinity")
			assert.NotEqual(t, bare, json.Valid([]byte(p)), p)
			assert.NotContains(t, p, "GROUP")
			assert.False(t, strings.Contains(p, "no_value") && strings.Contains(p, `"Value"`), p)
			assert.Equal(t, strings.HasPrefix(p, `{"timestamp"`) && changes != nil && changes[0] == "MetricName", strings.HasPrefix(p, `{"timestamp"`) && strings.Contains(p, `"topic"`), p)
		}
		assert.Len(t, seen, 22, "each is another mistake")
	}
}

func TestRepeatedToken(t *testing.T) {
	for name, length := range map[string]string{"one page": "1440", "many pages": "2"} {
		t.Run(name, func(t *testing.T) {
			s := startYAML(t, oneGroup)
			require.NoError(t, s.InjectFault(Fault{Kind: FaultRepeatedToken}))
			params := s.params("Length", length)
			token, ok := s.page(params).NextToken.(string)
			require.True(t, ok)
			params.Set("NextToken", token)
			for range 2 {
				assert.Equal(t, token, s.page(params).NextToken)
			}
		})
	}
}

func TestHang(t *testing.T) {
	t.Run("until the client goes away", func(t *testing.T) {
		s := start(t, Options{})
		require.NoError(t, s.InjectFault(Fault{Kind: FaultHang}))
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		r := s.request(ctx, s.params(), "", nil)
		go func() {
			_, err := s.http.Client().Do(r) //nolint:bodyclose // there is none
			result <- err
		}()
		require.Eventually(t, func() bool { return len(s.Requests()) == 1 }, time.Minute, time.Millisecond)
		assert.Equal(t, "hang", s.Requests()[0].Outcome)
		cancel()
		require.ErrorIs(t, <-result, context.Canceled)
		s.http.Close() // waits for the handler
	})
	t.Run("until the server is closed", func(t *testing.T) {
		s := start(t, Options{})
		require.NoError(t, s.InjectFault(Fault{Kind: FaultHang}))
		result := make(chan error, 1)
		r := s.request(t.Context(), s.params(), "", nil)
		go func() {
			_, err := s.http.Client().Do(r) //nolint:bodyclose // there is none
			result <- err
		}()
		require.Eventually(t, func() bool { return len(s.Requests()) == 1 }, time.Minute, time.Millisecond)
		s.Close()
		require.ErrorIs(t, <-result, io.EOF)
	})
}

func TestConnectionReset(t *testing.T) {
	s := start(t, Options{})
	require.NoError(t, s.InjectFault(Fault{Kind: FaultConnectionReset}))
	_, err := s.http.Client().Do(s.request(t.Context(), s.params(), "", nil)) //nolint:bodyclose // there is none
	require.Error(t, err)
	assert.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF), err)
}

func TestTruncatedBody(t *testing.T) {
	s := startYAML(t, oneGroup)
	require.NoError(t, s.InjectFault(Fault{Kind: FaultTruncatedBody}))
	resp, err := s.http.Client().Do(s.request(t.Context(), s.params(), "", nil))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.NotEmpty(t, body)
	assert.False(t, json.Valid(body))
}

func TestOversizedBody(t *testing.T) {
	const enough = 32 << 20
	for name, end := range map[string]func(*simulator, io.Closer){
		"the client hangs up":  func(_ *simulator, body io.Closer) { _ = body.Close() },
		"the server is closed": func(s *simulator, _ io.Closer) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{})
			require.NoError(t, s.InjectFault(Fault{Kind: FaultOversizedBody}))
			resp, err := s.http.Client().Do(s.request(t.Context(), s.params(), "", nil))
			require.NoError(t, err)
			defer resp.Body.Close()
			n, err := io.CopyN(io.Discard, resp.Body, enough)
			require.NoError(t, err)
			assert.Equal(t, int64(enough), n)
			end(s, resp.Body)
			_, err = io.Copy(io.Discard, resp.Body)
			require.Error(t, err)
		})
	}
}

func TestFaultQueue(t *testing.T) {
	s := startYAML(t, twoGroups)
	for _, f := range []Fault{
		{Kind: FaultInternalError, Times: 2, Match: "b"},
		{Kind: FaultThrottled, Times: 1, Match: "a"},
		{Kind: FaultNoPermission, Match: MetricTopicAccumulation},
		{Kind: FaultQuotaExhausted, Times: 1},
	} {
		require.NoError(t, s.InjectFault(f))
	}
	const a, b, c = `{"instanceId":"a"}`, `{"instanceId":"b"}`, `{"instanceId":"c"}`
	for i, tt := range []struct {
		changes []string
		status  int
	}{
		{[]string{"Dimensions", a}, 400},
		{[]string{"Dimensions", b}, 500},
		{[]string{"MetricName", MetricTopicAccumulation}, 500}, // every instance, so b as well
		{[]string{"MetricName", MetricTopicAccumulation}, 403},
		{[]string{"Dimensions", b}, 402},
		{[]string{"Dimensions", c}, 200},
		{[]string{"MetricName", MetricTopicAccumulation, "Dimensions", a}, 403},
		{nil, 200},
	} {
		status, body := s.ask(s.params(tt.changes...))
		assert.Equal(t, tt.status, status, "%d: %s", i, body)
	}
	s.ClearFaults()
	status, _ := s.ask(s.params("MetricName", MetricTopicAccumulation))
	assert.Equal(t, http.StatusOK, status)
}

// TestOneBadInstance: every call that asks for it fails, also among others.
func TestOneBadInstance(t *testing.T) {
	s := startYAML(t, twoGroups)
	require.NoError(t, s.InjectFault(Fault{Kind: FaultResourceNotFound, Match: "b"}))
	for dimensions, want := range map[string]int{
		`[{"instanceId":"a"}]`:                     200,
		`[{"instanceId":"a"},{"instanceId":"b"}]`:  404,
		`[{"instanceId":"b","consumerGroup":"x"}]`: 404,
		`[{"consumerGroup":"x"}]`:                  404,
	} {
		status, _ := s.ask(s.params("Dimensions", dimensions))
		assert.Equal(t, want, status, dimensions)
	}
}

func TestInjectFaultRejects(t *testing.T) {
	s := start(t, Options{})
	require.ErrorContains(t, s.InjectFault(Fault{Kind: "sulk"}), `kind "sulk" is not a fault; the faults are [bad_gateway connection_reset`)
	require.ErrorContains(t, s.InjectFault(Fault{Kind: FaultHang, Times: -1}), "times -1 is negative")
	for _, kind := range FaultKinds() {
		require.NoError(t, s.InjectFault(Fault{Kind: kind}))
	}
	assert.Len(t, FaultKinds(), 16)
}

func TestRequestsAreBounded(t *testing.T) {
	s := start(t, Options{})
	for i := range maxRequests + 10 {
		s.log.add(Request{Length: i + 1})
	}
	requests := s.Requests()
	require.Len(t, requests, maxRequests)
	assert.Equal(t, 11, requests[0].Length)
	assert.Equal(t, maxRequests+10, requests[maxRequests-1].Length)
	assert.Equal(t, uint64(maxRequests+10), s.RequestCount())
}
