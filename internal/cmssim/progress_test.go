package cmssim

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alikafka"
)

const consumers = `
instances:
  - id: a
    groups:
      - {name: slow, end: 1h, lag: [{at: 0s, lag: 7}, {at: 10m, lag: 900}]}
      - {name: stuck, consumer: stuck, lag: [{at: 0s, lag: 7}, {at: 10m, lag: 900}]}
      - {name: idle, consumer: stuck, lag: [{at: 0s, lag: 0}]}
      - name: topics
        topics: [{name: t, lag: [{at: 0s, lag: 3}]}, {name: u, lag: [{at: 0s, lag: 0}]}]
`

// progressRequest asks for the progress of a group.
func (s *simulator) progressRequest(params url.Values) *http.Request {
	return s.request(s.t.Context(), params, "", func(r *http.Request) {
		r.Header.Set("x-acs-action", "GetConsumerProgress")
		r.Header.Set("x-acs-version", "2019-09-16")
	})
}

func progressParams(group string) url.Values {
	return url.Values{"RegionId": {"cn-hangzhou"}, "InstanceId": {"a"}, "ConsumerId": {group}}
}

// TestProgress reads the offsets with the client, twice.
func TestProgress(t *testing.T) {
	now := &clock{t: time.Now()} // the client's clock cannot be set, and a signature is valid for 15 minutes
	sc, err := parseScenario("test", []byte(consumers))
	require.NoError(t, err)
	sim, err := New(Options{Scenario: sc, Clock: now.now})
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	defer server.Close()
	client, err := alikafka.NewClient(alicloud.Settings{
		Region: "cn-hangzhou", Endpoint: server.URL, HTTPClient: server.Client(),
		Credentials: alicloud.CredentialSettings{
			Type: alicloud.CredentialAccessKey, AccessKeyID: AccessKeyID, AccessKeySecret: AccessKeySecret,
		},
	})
	require.NoError(t, err)
	read := func(group string) alikafka.Progress {
		progress, err := client.Progress(t.Context(), "a", group)
		require.NoError(t, err)
		return progress
	}
	want := map[string]alikafka.Verdict{
		"slow": alikafka.Slow, "topics": alikafka.Slow, "stuck": alikafka.Stuck, "idle": alikafka.Unknown, "none": alikafka.Unknown,
	}
	before, lags := map[string]alikafka.Progress{}, map[string]int64{}
	groups := slices.Sorted(maps.Keys(want)) // so that the requests have an order
	for _, group := range groups {
		before[group] = read(group)
		for _, o := range before[group] {
			lags[group] += o.Broker - o.Consumer
		}
	}
	assert.Equal(t, map[string]int64{"slow": 7, "stuck": 7, "idle": 0, "topics": 3}, lags)
	assert.Len(t, before["topics"], 4)
	assert.Contains(t, before["topics"], alikafka.Partition{Topic: "u", ID: 1})

	now.advance(5 * time.Minute)
	for _, group := range groups {
		got, reason := alikafka.Compare(before[group], read(group))
		assert.Equal(t, want[group], got, "%s: %s", group, reason)
	}
	request := sim.Requests()[0]
	assert.Equal(t, "GetConsumerProgress", request.Action)
	assert.Equal(t, []string{"a"}, request.Instances)
	assert.Equal(t, OutcomeOK, sim.Requests()[5].Outcome)
}

func TestProgressErrors(t *testing.T) {
	s := startYAML(t, consumers)
	for change, code := range map[string]string{
		"":                   "BIZ_SUBSCRIPTION_NOT_FOUND",
		"ConsumerId=":        "ParameterInvalid",
		"RegionId=":          "ParameterInvalid",
		"InstanceId=":        "ParameterInvalid",
		"ConsumerGroup=slow": "ParameterInvalid",
	} {
		params := progressParams("none")
		changes, err := url.ParseQuery(change)
		require.NoError(t, err)
		for key := range changes {
			params.Set(key, changes.Get(key))
		}
		status, e := s.refusal(s.progressRequest(params))
		assert.Equal(t, http.StatusBadRequest, status, change)
		assert.Equal(t, code, e["Code"], change)
	}
	r := s.progressRequest(progressParams("slow"))
	sign(r, headersToSign(r), AccessKeyID, "wrong")
	_, e := s.refusal(r)
	assert.Equal(t, "SignatureDoesNotMatch", e["Code"])
}

func TestProgressOfAGroupThatDisappears(t *testing.T) {
	s := startYAML(t, consumers)
	status, body := s.send(s.progressRequest(progressParams("slow")))
	assert.Equal(t, http.StatusOK, status)
	assert.True(t, json.Valid([]byte(body)))
	s.clock.advance(time.Hour)
	_, e := s.refusal(s.progressRequest(progressParams("slow")))
	assert.Equal(t, "BIZ_SUBSCRIPTION_NOT_FOUND", e["Code"])
}

// TestSetConsumer: a group that is made to stop, and to read again, never goes back.
func TestSetConsumer(t *testing.T) {
	s := startYAML(t, consumers)
	set := func(consumer string) {
		t.Helper()
		status, reply := s.control("POST", "/sim/consumers", `{"instance_id":"a","consumer_group":"slow","consumer":"`+consumer+`"}`)
		require.Equal(t, http.StatusOK, status, reply)
	}
	var last []offsets
	read := func() alikafka.Verdict {
		c := s.store.series[MetricAccumulation][0]
		lag, _ := c.value(s.Now().UnixMilli())
		now := c.offsets(int64(lag), s.Now().UnixMilli())
		before, after := alikafka.Progress{}, alikafka.Progress{}
		for i := range last {
			before[alikafka.Partition{ID: int32(i)}] = alikafka.Offsets{Consumer: last[i].ConsumerOffset, Broker: last[i].BrokerOffset}
			after[alikafka.Partition{ID: int32(i)}] = alikafka.Offsets{Consumer: now[i].ConsumerOffset, Broker: now[i].BrokerOffset}
		}
		last = now
		verdict, _ := alikafka.Compare(before, after)
		return verdict
	}
	read()
	for _, step := range []struct {
		consumer string
		want     alikafka.Verdict
	}{{"", alikafka.Slow}, {"stuck", alikafka.Stuck}, {"", alikafka.Slow}, {"stuck", alikafka.Stuck}} {
		set(step.consumer)
		if step.consumer == ConsumerStuck {
			read()
		}
		s.clock.advance(time.Minute)
		assert.Equal(t, step.want, read(), step.consumer)
		var total int64
		for _, o := range last {
			total += o.BrokerOffset - o.ConsumerOffset
		}
		assert.Positive(t, total)
	}
}
