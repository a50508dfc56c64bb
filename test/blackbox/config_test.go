package blackbox

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile(filepath.Join(harness.Root(), "builder-config.yaml"))
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^  version: (\S+)$`).FindSubmatch(config)
	require.NotNil(t, version)
	code, output := harness.Run(t, nil, "--version")
	assert.Zero(t, code)
	assert.Contains(t, output, string(version[1]))
}

// TestInvalidConfigurations: validate rejects each, with the name of the key.
func TestInvalidConfigurations(t *testing.T) {
	t.Parallel()
	tests := []struct{ yaml, want string }{
		{"region: ''", "region: must be set"},
		{"region: 'a/b'", "region: must be a region ID"},
		{"network: intranet", "network: must be"},
		{"endpoint: http://cms.example.com", "endpoint: "},
		{"instances: [a, a]", "instances: entry 1"},
		{"instances: ['a b']", "instances: entry 0"},
		{"period: 45s", "period: must be"},
		{"max_backfill: -1s", "max_backfill: must be"},
		{"stale_after: 1s", "stale_after: must be"},
		{"timeout: 0s", "timeout: must be"},
		{"timeout: 30", "timeout: needs a unit: write 30s"},
		{"collection_interval: 0s", "collection_interval: must be"},
		{"requests_per_second: 51", "requests_per_second: must be"},
		{"max_concurrency: 0", "max_concurrency: must be"},
		{"consumer_groups: {include: [{regexp: '('}]}", `consumer_groups::include: entry 0: regexp "("`},
		{"consumer_groups: {include: [orders]}", "write {strict: orders}"},
		{"credentials: {type: password}", "credentials::type: must be"},
		{"credentials: {type: access_key}", "credentials::access_key_id: must be set"},
		{"credentials: {type: sts, access_key_id: a, access_key_secret: b}", "credentials::security_token: must be set"},
		{"retry_on_failure: {initial_interval: -1s}", "initial_interval"},
		{"metrics: {kafka.consumer.message_accumulation: {enabled: false}}", "metrics: at least one"},
		{"lookback: 0s", "lookback: no longer exists, remove it; the first query reaches back to stale_after"},
		{"intervall: 60s", "intervall: unknown key; the keys here are collection_interval"},
		{"region_id: cn-hangzhou", "region_id: unknown key; did you mean region?"},
		{"instance_id: [a]", "instance_id: unknown key; did you mean instances?"},
		{"credentials: {accessKeyID: a}", "credentials::accessKeyID: unknown key; did you mean credentials::access_key_id?"},
		{"consumer_groups: {include: [{regex: a}]}", "include::0::regex: unknown key; did you mean consumer_groups::include::0::regexp?"},
		{"http: {proxyurl: a}", "http::proxyurl: unknown key; did you mean http::proxy_url?"},
	}
	for _, tt := range tests {
		t.Run(tt.yaml, func(t *testing.T) {
			t.Parallel()
			code, output := harness.Validate(t, tt.yaml)
			assert.NotZero(t, code)
			assert.Contains(t, output, tt.want)
		})
	}
}

// TestInvalidValuesAreReportedTogether: whoever mends a configuration should not need a run for each mistake.
func TestInvalidValuesAreReportedTogether(t *testing.T) {
	t.Parallel()
	code, output := harness.Validate(t, "region: '', network: intranet, period: 45s")
	assert.NotZero(t, code)
	for _, key := range []string{"region: ", "network: ", "period: "} {
		assert.Contains(t, output, key)
	}
}

// TestPasswordInURL: exporters log their URL, so one with a password is rejected, by validate and at startup.
func TestPasswordInURL(t *testing.T) {
	t.Parallel()
	env := []string{"REGION=cn-hangzhou", "PROMETHEUS_REMOTE_WRITE_URL=http://user:S3cret@127.0.0.1:1/api/v1/write"}
	config := "--config=" + harness.Config("prometheus-remote-write.yaml")
	for _, args := range [][]string{{"validate", config}, {config}} {
		code, output := harness.Run(t, env, args...)
		assert.NotZero(t, code)
		assert.Contains(t, output, "exporters::prometheus_remote_write::http::endpoint contains a password")
		assert.NotContains(t, output, "S3cret")
	}
}
