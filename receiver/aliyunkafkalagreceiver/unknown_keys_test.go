package aliyunkafkalagreceiver

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestCheckKeys(t *testing.T) {
	const (
		matches = "write {strict: orders}, or {regexp: orders} if it is a pattern"
		top     = "collection_interval, consumer_groups, credentials, endpoint, http, initial_delay, instances, max_backfill, max_concurrency, metrics, " +
			"network, period, region, requests_per_second, resource_attributes, retry_on_failure, stale_after, storage, timeout"
	)
	tests := []struct {
		name string
		yaml string
		want string // the error; empty means valid
	}{
		{"known", `
http: {proxy_url: 'http://proxy:3128', timeout: 5s, headers: {X-Any: x}, tls: {ca_file: ca.pem, insecure_skip_verify: true}, keepalive: {enabled: true, max_idle_conns: 5}, cookies: {enabled: false}}
consumer_groups: {include: [{regexp: x}], exclude: }
credentials:
metrics: {kafka.consumer.message_accumulation: {enabled: true}}
retry_on_failure: {enabled: true, max_elapsed_time: 0s}
storage: file_storage`, ""},
		{"headers as a list", "http: {headers: [{name: X-Any, value: x}]}", ""},

		{"lookback", "lookback: 5m", "lookback: no longer exists, remove it; the first query reaches back to stale_after"},
		{"lookback elsewhere", "consumer_groups: {lookback: 5m}", "consumer_groups::lookback: unknown key; the keys here are exclude, include"},
		{"region_id", "region_id: cn-hangzhou", "region_id: unknown key; did you mean region?"},
		{"instance_id", "instance_id: x", "instance_id: unknown key; did you mean instances?"},
		{"a key of the old exporter", "TARGET_INSTANCE_ID: x", "TARGET_INSTANCE_ID: unknown key; did you mean instances?"},
		{"mistyped", "colection_interval: 60s", "colection_interval: unknown key; did you mean collection_interval?"},
		{"another word", "interval: 60s", "interval: unknown key; did you mean collection_interval?"},
		{"in the style of Kubernetes", "maxBackfill: 1h", "maxBackfill: unknown key; did you mean max_backfill?"},
		{"accessKeyID", "accessKeyID: x", "accessKeyID: unknown key; did you mean credentials::access_key_id?"},
		{"access_key", "credentials: {access_key: x}", "credentials::access_key: unknown key; did you mean credentials::access_key_id?"},
		{"accessKeySecret", "credentials: {accessKeySecret: x}", "credentials::accessKeySecret: unknown key; did you mean credentials::access_key_secret?"},
		{"secret_key", "secret_key: x", "secret_key: unknown key; did you mean credentials::access_key_secret?"},
		{"a level too high", "access_key_id: x\nproxy_url: x", "access_key_id: unknown key; did you mean credentials::access_key_id?\nproxy_url: unknown key; did you mean http::proxy_url?"},
		{"a level too low", "http: {region: x}", "http::region: unknown key; did you mean region?"},
		{"two levels too high", "ca_file: x", "ca_file: unknown key; did you mean http::tls::ca_file?"},
		{"the nearest level", "idle_conn_timeout: 1s", "idle_conn_timeout: unknown key; did you mean http::idle_conn_timeout?"},
		{"the same level first", "http: {tls: {server_name: x}, timeouts: 1s}", "http::timeouts: unknown key; did you mean http::timeout?\n" +
			"http::tls::server_name: unknown key; the keys here are ca_file, ca_pem, cert_file, cert_pem, cipher_suites, curve_preferences, " +
			"include_insecure_cipher_suites, include_system_ca_certs_pool, insecure, insecure_skip_verify, key_file, key_pem, max_version, " +
			"min_version, reload_interval, server_name_override, tpm"},
		{
			"http", "http: {proxi_url: x, tls: {cafile: x}, keepalive: {max_idle: 1}}",
			"http::keepalive::max_idle: unknown key; the keys here are enabled, idle_conn_timeout, max_idle_conns, max_idle_conns_per_host\n" +
				"http::proxi_url: unknown key; did you mean http::proxy_url?\n" +
				"http::tls::cafile: unknown key; did you mean http::tls::ca_file?",
		},
		{"retry_on_failure", "retry_on_failure: {max_intervall: 1s}", "retry_on_failure::max_intervall: unknown key; did you mean retry_on_failure::max_interval?"},
		{
			"metrics", "metrics: {kafka_consumer_message_accumulation: {enabled: true}}",
			"metrics::kafka_consumer_message_accumulation: unknown key; did you mean metrics::kafka.consumer.message_accumulation?",
		},
		{
			"resource_attributes", "resource_attributes: {cloud.region: {enable: true}}",
			"resource_attributes::cloud.region::enable: unknown key; did you mean resource_attributes::cloud.region::enabled?",
		},
		{
			"regex", "consumer_groups: {include: [{strict: a}, {regex: b}]}",
			"consumer_groups::include::1::regex: unknown key; did you mean consumer_groups::include::1::regexp?",
		},
		{
			"match outside the list", "consumer_groups: {regexp: b}",
			"consumer_groups::regexp: unknown key; did you mean consumer_groups::include::0::regexp?",
		},
		{"nothing like it", "xyz: 1", "xyz: unknown key; the keys here are " + top},
		{"no secret is shown", "credentials: {access_keys: {SENTINEL: 1}}", "credentials::access_keys: unknown key; did you mean credentials::access_key_id?"},
		{
			"all of them", "regoin: x\ncredentials: {role: {}, typ: sts}",
			"credentials::role: unknown key; the keys here are access_key_id, access_key_secret, oidc_provider_arn, oidc_token_file, role_arn, role_name, role_session_name, security_token, type, url\n" +
				"credentials::typ: unknown key; did you mean credentials::type?\nregoin: unknown key; did you mean region?",
		},

		{"bare name", "consumer_groups: {include: [{strict: a}, orders]}", "consumer_groups::include: entry 1 must say how it matches: " + matches},
		{
			"bare pattern", "consumer_groups: {exclude: ['.*_x$']}",
			`consumer_groups::exclude: entry 0 must say how it matches: write {strict: ".*_x$"}, or {regexp: ".*_x$"} if it is a pattern`,
		},
		{
			"bare number", "consumer_groups: {include: [42]}",
			`consumer_groups::include: entry 0 must say how it matches: write {strict: "42"}, or {regexp: "42"} if it is a pattern`,
		},
		{
			"empty entry", "consumer_groups: {include: [null]}",
			"consumer_groups::include: entry 0 must say how it matches: write {strict: name}, or {regexp: name} if it is a pattern",
		},
		{
			"not a list", "consumer_groups: {include: orders}",
			"consumer_groups::include: must be a list: write [{strict: orders}], or [{regexp: orders}] if it is a pattern",
		},
		{
			"an entry instead of a list", "consumer_groups: {include: {strict: a}}",
			"consumer_groups::include: must be a list: write [{strict: name}], or [{regexp: name}] if it is a pattern",
		},
		{
			"resource attribute filter", "resource_attributes: {cloud.region: {metrics_include: [orders]}}",
			"resource_attributes::cloud.region::metrics_include: entry 0 must say how it matches: " + matches,
		},

		{"no unit", "period: 60", "period: needs a unit: write 60s, not 60"},
		{"no unit, a string", "collection_interval: '60'", "collection_interval: needs a unit: write 60s, not 60"},
		{"no unit, a fraction", "timeout: 0.5", "timeout: needs a unit: write 0.5s, not 0.5"},
		{
			"no unit in http", "http: {timeout: 10, keepalive: {idle_conn_timeout: 90}}",
			"http::keepalive::idle_conn_timeout: needs a unit: write 90s, not 90\nhttp::timeout: needs a unit: write 10s, not 10",
		},
		{"zero needs no unit", "initial_delay: 0", ""},
		{"unknown unit", "max_backfill: 1d", `max_backfill: must be a duration such as 60s, 5m or 1h30m, not "1d"`},
		{"unit in words", "stale_after: 10 minutes", `stale_after: must be a duration such as 60s, 5m or 1h30m, not "10 minutes"`},
		{
			"keys and values", "regoin: x\nperiod: 60\nconsumer_groups: {include: [orders]}",
			"consumer_groups::include: entry 0 must say how it matches: " + matches + "\nperiod: needs a unit: write 60s, not 60\nregoin: unknown key; did you mean region?",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := confFromYAML(t, tt.yaml).Unmarshal(createDefaultConfig())
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			// confmap writes this before the error of every Unmarshal method.
			assert.EqualError(t, err, "decoding failed due to the following error(s):\n\n'' "+tt.want)
		})
	}
}

// What the check leaves to the decoder must be rejected there, without a panic and without the value of a secret.
func TestWrongTypesAreRejected(t *testing.T) {
	for _, yaml := range []string{
		"region: [x]",
		"instances: {a: b}",
		"instances: [{a: b}]",
		"credentials: SENTINEL",
		"credentials: {access_key_secret: {SENTINEL: SENTINEL}}",
		"credentials: {access_key_secret: [SENTINEL]}",
		"consumer_groups: [a]",
		"consumer_groups: {include: [{strict: [a]}]}",
		"http: SENTINEL",
		"http: {headers: SENTINEL}",
		"http: {headers: [SENTINEL]}",
		"http: {tls: SENTINEL}",
		"metrics: [x]",
		"metrics: {kafka.consumer.message_accumulation: true}",
		"max_concurrency: many",
		"period: {}",
		"period: [60s]",
		"period: true",
		"storage: ''",
		"storage: {a: b}",
	} {
		t.Run(yaml, func(t *testing.T) {
			err := confFromYAML(t, yaml).Unmarshal(createDefaultConfig())
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "SENTINEL")
			assert.NotContains(t, err.Error(), "unknown key")
		})
	}
}

func TestEmptySectionsAreDefaults(t *testing.T) {
	got := createDefaultConfig()
	require.NoError(t, confFromYAML(t, "credentials:\nhttp:\nconsumer_groups:\nmetrics:\nstorage:\n").Unmarshal(got))
	assert.Equal(t, createDefaultConfig(), got)
	require.NoError(t, confmap.NewFromStringMap(nil).Unmarshal(got))
	assert.Equal(t, createDefaultConfig(), got)
}

func TestKnownPathsNameNoKeyTwice(t *testing.T) {
	paths := knownPaths("", reflect.TypeFor[Config]())
	seen := map[string]bool{}
	for _, path := range paths {
		assert.False(t, seen[path], path)
		seen[path] = true
	}
	assert.Contains(t, paths, "http::tls::ca_file")
	for _, target := range synonyms {
		assert.Contains(t, paths, target)
	}
}

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"same", "same", 0},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
		{"regoin", "region", 2},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, editDistance(tt.a, tt.b), "%s %s", tt.a, tt.b)
	}
}

func FuzzCheckKeys(f *testing.F) {
	f.Add("consumer_groups: {include: [{}, 1, [a], null]}\nperiod: 1e9\n? {a: b}\n: c")
	f.Fuzz(func(_ *testing.T, yaml string) {
		retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
		if err != nil {
			return
		}
		conf, err := retrieved.AsConf()
		if err != nil {
			return
		}
		cfg := createDefaultConfig()
		if conf.Unmarshal(cfg) == nil {
			_ = confmap.Validate(cfg)
		}
	})
}
