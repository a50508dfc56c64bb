package cms

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

func TestRequest(t *testing.T) {
	requests := make(chan *http.Request, 1)
	endpoint, httpClient := alicloudtest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
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
	require.NoError(t, alicloudtest.CheckSignature(r, testSecret))
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
		page, err := staticClient(t, alicloudtest.Answer(http.StatusOK, nil, reply)).DescribeMetricList(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, page.Points, 1)
		assert.Equal(t, topic, page.Points[0].Topic)
	}
}

func TestTooManyInstances(t *testing.T) {
	c := staticClient(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	q := testQuery
	q.Instances = make([]string, MaxInstances+1)
	_, err := c.DescribeMetricList(t.Context(), q)
	assert.Equal(t, alicloud.KindInvalidRequest, alicloud.KindOf(err))
	require.ErrorContains(t, err, "51 instances or series in one query, at most 50 are allowed")
	q.Instances, q.Names = nil, make([]lag.Key, MaxInstances+1)
	_, err = c.DescribeMetricList(t.Context(), q)
	assert.Equal(t, alicloud.KindInvalidRequest, alicloud.KindOf(err))
}

func TestConcurrentCalls(t *testing.T) {
	const calls = 60
	var nonces sync.Map
	c := staticClient(t, func(w http.ResponseWriter, r *http.Request) {
		if _, seen := nonces.LoadOrStore(r.Header.Get("X-Acs-Signature-Nonce"), true); seen {
			t.Error("a nonce was used twice")
		}
		if err := alicloudtest.CheckSignature(r, testSecret); err != nil {
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

func TestRemedies(t *testing.T) {
	tests := map[string]struct{ code, want string }{
		"throttled": {"Throttling.User", "; all tools of the account share 50 calls a second"},
		"quota":     {"LimitExceeded", "; the free quota of 1,000,000 CloudMonitor calls a month is used up"},
		"forbidden": {"NoPermission", "; grant the RAM identity the action cms:QueryMetricList"},
		"invalid":   {"ParameterInvalid", "; CloudMonitor refused the query"},
		"general":   {"InternalError", "; Alibaba Cloud has a problem"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := staticClient(t, alicloudtest.Answer(http.StatusBadRequest, nil, `{"Code":"`+tt.code+`"}`))
			_, err := c.DescribeMetricList(t.Context(), testQuery)
			assert.ErrorContains(t, err, tt.want)
		})
	}
	_, err := staticClient(t, alicloudtest.Answer(http.StatusOK, nil, `<html>`)).DescribeMetricList(t.Context(), testQuery)
	assert.ErrorContains(t, err, "; check that endpoint and proxy lead to CloudMonitor")
}
