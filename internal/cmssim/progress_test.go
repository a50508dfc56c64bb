package cmssim

import (
	"encoding/json"
	"maps"
	"math"
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

// TestSetConsumer: a group that is made to stop, and to read again, never goes back. It may be one of added points.
func TestSetConsumer(t *testing.T) {
	for _, group := range []string{"slow", "added"} {
		t.Run(group, func(t *testing.T) {
			s := startYAML(t, consumers)
			lag := 7.0
			addPoint := func() {
				require.NoError(t, s.AddPoints(Point{Timestamp: s.Now(), InstanceID: "a", ConsumerGroup: "added", Statistics: map[string]float64{"Value": lag}}))
			}
			addPoint()
			last := s.progress(group)
			for i, step := range []struct {
				consumer string
				want     alikafka.Verdict
			}{{"", alikafka.Slow}, {"stuck", alikafka.Stuck}, {"", alikafka.Slow}, {"stuck", alikafka.Stuck}} {
				status, reply := s.control("POST", "/sim/consumers", `{"instance_id":"a","consumer_group":"`+group+`","consumer":"`+step.consumer+`"}`)
				require.Equal(t, http.StatusOK, status, reply)
				if step.consumer == ConsumerStuck {
					last = s.progress(group)
				}
				s.clock.advance(time.Minute)
				lag += float64(i) * 100
				addPoint()
				now := s.progress(group)
				verdict, reason := alikafka.Compare(last, now)
				assert.Equal(t, step.want, verdict, "%q: %s", step.consumer, reason)
				last = now
			}
		})
	}
}

// TestProgressOfAddedPoints: the newest lag counts. Points without one, of another group, or of later do not.
func TestProgressOfAddedPoints(t *testing.T) {
	s := startYAML(t, consumers)
	value := func(v float64) map[string]float64 { return map[string]float64{"Value": v} }
	require.NoError(t, s.AddPoints(
		Point{Timestamp: testStart.Add(-time.Minute), InstanceID: "a", ConsumerGroup: "added", Statistics: value(3)},
		Point{Timestamp: testStart, InstanceID: "a", ConsumerGroup: "added", Statistics: value(5), PublishedAt: testStart.Add(time.Hour)},
		Point{Timestamp: testStart, InstanceID: "a", ConsumerGroup: "added", Statistics: map[string]float64{"Maximum": 6}},
		Point{Timestamp: testStart, InstanceID: "a", ConsumerGroup: "added", Statistics: value(math.NaN())},
		Point{Timestamp: testStart, InstanceID: "a", ConsumerGroup: "added", Raw: "{}"},
		Point{Timestamp: testStart, InstanceID: "b", ConsumerGroup: "added", Statistics: value(7)},
		Point{Timestamp: testStart, InstanceID: "a", ConsumerGroup: "slow", Statistics: value(8)},
		Point{Timestamp: testStart.Add(time.Minute), InstanceID: "a", ConsumerGroup: "added", Statistics: value(9)},
		Point{Timestamp: testStart.Add(time.Minute), InstanceID: "a", ConsumerGroup: "later", Statistics: value(9)},
	))
	for group, want := range map[string]int64{"added": 5, "slow": 7, "later": 0} {
		var lag int64
		for _, o := range s.progress(group) {
			lag += o.Broker - o.Consumer
		}
		assert.Equal(t, want, lag, group)
	}
}

// progress is how far a group of instance a is, empty if there is none.
func (s *simulator) progress(group string) alikafka.Progress {
	all := alikafka.Progress{}
	for _, topic := range s.store.progress(groupID{"a", group}, s.Now().UnixMilli()) {
		for _, o := range topic["OffsetList"].(map[string]any)["OffsetList"].([]offsets) {
			partition := alikafka.Partition{Topic: topic["Topic"].(string), ID: int32(o.Partition)} //nolint:gosec // 0 or 1
			all[partition] = alikafka.Offsets{Consumer: o.ConsumerOffset, Broker: o.BrokerOffset}
		}
	}
	return all
}
