package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver"
)

// serve starts CloudMonitor without points, and returns a configuration for it.
func serve(t *testing.T, keys string) (cms *cmssim.Server, config string) {
	t.Helper()
	cms, err := cmssim.New(cmssim.Options{})
	require.NoError(t, err)
	server := httptest.NewServer(cms)
	t.Cleanup(server.Close)
	t.Cleanup(cms.Close)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", cmssim.AccessKeyID)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", cmssim.AccessKeySecret)
	return cms, "yaml:receivers: {aliyunkafkalag: {region: cn-hangzhou, retry_on_failure: {enabled: false}, endpoint: \"" + server.URL + "\"" + keys + "}, otlp: {}}"
}

// publish publishes a point of two groups.
func publish(t *testing.T, cms *cmssim.Server, at time.Time) {
	t.Helper()
	for group, lag := range map[string]float64{"orders": 120_000, "invoices": 0} {
		require.NoError(t, cms.AddPoints(cmssim.Point{Timestamp: at, InstanceID: "alikafka_a", ConsumerGroup: group, Statistics: map[string]float64{"Value": lag}}))
	}
}

// start is serve with two groups whose newest points are two to three minutes old.
func start(t *testing.T, keys string) (cms *cmssim.Server, config string) {
	t.Helper()
	cms, config = serve(t, keys)
	publish(t, cms, time.Now().Truncate(time.Minute).Add(-2*time.Minute))
	return cms, config
}

func lagcheck(args ...string) (code int, out, problems string) {
	var o, p bytes.Buffer
	code = run(context.Background(), args, &o, &p)
	return code, o.String(), p.String()
}

func TestJSON(t *testing.T) {
	_, config := start(t, ", instances: [alikafka_a, alikafka_b], consumer_groups: {include: [{strict: orders}]}")
	code, out, problems := lagcheck("--config", config, "--output", "json")
	assert.Zero(t, code, problems)
	var reports []aliyunkafkalagreceiver.Report
	require.NoError(t, json.Unmarshal([]byte(out), &reports))
	require.Len(t, reports, 1)
	r := reports[0]
	require.Len(t, r.Groups, 1)
	assert.InDelta(t, 150, r.Groups[0].AgeSeconds, 60)
	assert.Equal(t, "orders", r.Groups[0].ConsumerGroup)
	assert.Equal(t, []string{"alikafka_b"}, r.Silent)
	assert.Positive(t, r.Calls)
	assert.True(t, r.OK)
	assert.Contains(t, out, `"projected_calls_per_month": 43200`)
}

func TestFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		fault cmssim.FaultKind
		keys  string
		env   map[string]string
		want  string
	}{
		"no permission":  {fault: cmssim.FaultNoPermission, keys: ", instances: [alikafka_a]", want: "the RAM action cms:QueryMetricList is missing"},
		"throttled":      {fault: cmssim.FaultThrottled, want: "throttled"},
		"quota":          {fault: cmssim.FaultQuotaExhausted, want: "quota_exhausted"},
		"wrong secret":   {env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wrong"}, want: "bad_credentials"},
		"wrong instance": {keys: ", instances: [alikafka_z]", want: "NO LAG         of instance alikafka_z"},
		"no group":       {keys: ", consumer_groups: {exclude: [{regexp: .}]}", want: "groups         0"},
	} {
		t.Run(name, func(t *testing.T) {
			cms, config := start(t, tt.keys)
			if tt.fault != "" {
				require.NoError(t, cms.InjectFault(cmssim.Fault{Kind: tt.fault}))
			}
			for key, value := range tt.env {
				t.Setenv(key, value)
			}
			code, out, problems := lagcheck("--config", config)
			assert.Equal(t, exitFailed, code, problems)
			assert.Contains(t, out, tt.want)
			assert.Contains(t, out, "It will not work yet")
			assert.Equal(t, strings.Contains(tt.want, "NO LAG"), strings.Contains(out, "NO LAG"))
		})
	}
}

// TestRejectedInstance: an instance that makes calls fail is named, and neither silent nor counted as a batch.
func TestRejectedInstance(t *testing.T) {
	cms, config := start(t, ", instances: [alikafka_a, alikafka_z]")
	require.NoError(t, cms.InjectFault(cmssim.Fault{Kind: cmssim.FaultResourceNotFound, Match: "alikafka_z"}))
	code, out, problems := lagcheck("--config", config)
	assert.Equal(t, exitFailed, code, problems)
	assert.Contains(t, out, "FAILED         instance alikafka_z: ")
	assert.Contains(t, out, "It will work in part")
	assert.Contains(t, out, "calls a month  43200")
	assert.Contains(t, out, "orders")
	assert.NotContains(t, out, "NO LAG")
}

// TestFailsInPart: what was read does not make up for what was not.
func TestFailsInPart(t *testing.T) {
	cms, config := start(t, ", metrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}")
	require.NoError(t, cms.InjectFault(cmssim.Fault{Kind: cmssim.FaultThrottled, Match: cmssim.MetricTopicAccumulation}))
	code, out, problems := lagcheck("--config", config)
	assert.Equal(t, exitFailed, code, problems)
	assert.Contains(t, out, "FAILED")
	assert.Contains(t, out, "orders")
	assert.Contains(t, out, "It will work in part")
}

func TestUsage(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag":      {[]string{"--verbose"}, "-verbose"},
		"unknown output":    {[]string{"--output", "xml"}, "Exit code"},
		"argument":          {[]string{"config.yaml"}, "Exit code"},
		"no file":           {[]string{"--config", "/does/not/exist.yaml"}, "/does/not/exist.yaml"},
		"no receiver":       {[]string{"--config", "yaml:receivers: {otlp: {}}"}, "no receiver of the type aliyunkafkalag"},
		"unknown key":       {[]string{"--config", "yaml:receivers: {aliyunkafkalag: {region_id: a}}"}, "did you mean region"},
		"invalid value":     {[]string{"--config", "yaml:receivers: {aliyunkafkalag/a: {region: a/b}}"}, "receivers::aliyunkafkalag/a: region: must be a region ID"},
		"no region":         {nil, "region: must be set"},
		"half a credential": {[]string{"--config", "yaml:receivers: {aliyunkafkalag: {region: cn-hangzhou, credentials: {type: access_key, access_key_id: a}}}"}, "access_key_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("REGION", "")
			code, out, problems := lagcheck(tt.args...)
			assert.Equal(t, exitUsage, code)
			assert.Empty(t, out)
			assert.Contains(t, problems, tt.want)
		})
	}
	code, _, problems := lagcheck("--help")
	assert.Zero(t, code)
	assert.Contains(t, problems, "-config")
}

// TestShippedConfigurations: every complete configuration can be checked.
func TestShippedConfigurations(t *testing.T) {
	files, err := filepath.Glob("../../collector-config/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	t.Setenv("REGION", "cn-hangzhou")
	t.Setenv("CMS_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "a")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "b")
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(content), "aliyunkafkalag:")
		receivers, err := load(t.Context(), []string{file})
		require.NoError(t, err, file)
		assert.Len(t, receivers, 1)
	}
}
