package aliyunkafkalagreceiver

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

func loadConfig(t *testing.T, conf *confmap.Conf) *Config {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(cfg))
	return cfg
}

// configFromYAML returns the default configuration with the given keys.
func configFromYAML(t *testing.T, yaml string) *Config {
	t.Helper()
	return loadConfig(t, confFromYAML(t, yaml))
}

func confFromYAML(t *testing.T, yaml string) *confmap.Conf {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	return conf
}

func TestLoadConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)

	t.Run("defaults", func(t *testing.T) {
		sub, err := conf.Sub("aliyunkafkalag")
		require.NoError(t, err)
		got := loadConfig(t, sub)
		want := createDefaultConfig().(*Config)
		want.Region = "cn-hangzhou"
		assert.Equal(t, want, got)
		assert.NoError(t, confmap.Validate(got))
	})

	t.Run("all keys", func(t *testing.T) {
		sub, err := conf.Sub("aliyunkafkalag/all")
		require.NoError(t, err)
		got := loadConfig(t, sub)
		require.NoError(t, confmap.Validate(got))

		assert.Equal(t, 30*time.Second, got.CollectionInterval)
		assert.Equal(t, 2*time.Second, got.InitialDelay)
		assert.Equal(t, 20*time.Second, got.Timeout)
		assert.Equal(t, "cn-beijing", got.Region)
		assert.Equal(t, "https://cms.example.com:8443", got.endpointURL())
		assert.Equal(t, "vpc", got.Network)
		assert.Equal(t, []string{"alikafka_post-cn-a", "alikafka_post-cn-b"}, got.Instances)
		assert.Equal(t, []GroupMatchConfig{{Regex: ".*docking_analog$"}, {Strict: "orders"}}, got.ConsumerGroups.Include)
		assert.Equal(t, []GroupMatchConfig{{Strict: "orders_test"}}, got.ConsumerGroups.Exclude)
		assert.Equal(t, 15*time.Second, got.Period)
		assert.Equal(t, 30*time.Minute, got.MaxBackfill)
		assert.Equal(t, 2*time.Minute, got.StaleAfter)
		assert.Equal(t, "file_storage/lag", got.Storage.String())
		assert.Equal(t, alicloud.CredentialSettings{
			Type:            alicloud.CredentialRAMRoleARN,
			AccessKeyID:     "testid",
			AccessKeySecret: "testsecret",
			RoleARN:         "acs:ram::1234567890123456:role/lag-reader",
			RoleSessionName: "lag",
		}, got.Credentials.Settings())
		assert.InDelta(t, 0.5, got.RequestsPerSecond, 0)
		assert.Equal(t, 2, got.MaxConcurrency)
		assert.False(t, got.Retry.Enabled)
		assert.Equal(t, "http://proxy.example.com:3128", got.HTTP.ProxyURL)
		assert.Equal(t, []string{cms.MetricAccumulation, cms.MetricTopicAccumulation}, got.sources())
		assert.False(t, got.MetricsBuilder.ResourceAttributes.CloudAccountID.Enabled)
	})
}

func TestDefaults(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	assert.Equal(t, time.Minute, cfg.CollectionInterval)
	assert.Equal(t, time.Second, cfg.InitialDelay)
	assert.Equal(t, 45*time.Second, cfg.Timeout)
	assert.Equal(t, 10*time.Minute, cfg.StaleAfter)
	assert.Equal(t, time.Hour, cfg.MaxBackfill)
	assert.Nil(t, cfg.Storage)
	assert.Equal(t, 10*time.Second, cfg.HTTP.Timeout)
	assert.Equal(t, 10*time.Second, cfg.HTTP.HTTP2ReadIdleTimeout)
	assert.Equal(t, 5*time.Second, cfg.HTTP.HTTP2PingTimeout)
}

func TestValidate(t *testing.T) {
	for _, name := range []string{
		"ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_CREDENTIALS_URI",
	} {
		t.Setenv(name, "")
	}
	const (
		types   = `["default" "access_key" "sts" "ram_role_arn" "oidc_role_arn" "ecs_ram_role" "credentials_uri"]`
		inject  = "\ncredentials::type: oidc_role_arn needs what RRSA injects on ACK; what is usually missing: the add-on ack-pod-identity-webhook, the label pod-identity.alibabacloud.com/injection: \"on\" of the namespace, or the annotation pod-identity.alibabacloud.com/role-name of the ServiceAccount; re-create the pod afterwards"
		answers = ", which is as far back as CloudMonitor answers, not "
		region  = "region: must be set, for example to cn-hangzhou; if it is taken from a variable, set that"
		regexps = "; the syntax is that of Go, where .* stands for any text"
		invalid = "has a line break or another control character inside; copy the key again"
		url     = "endpoint: must be https://host[:port], or http:// for a loopback host"
	)
	tests := []struct {
		name string
		yaml string
		want string // the error; empty means valid
	}{
		{"region missing", "region: ''", region},
		{"region with a host", "region: evil.example.com/", `region: must be a region ID such as cn-hangzhou, not "evil.example.com/"`},
		{"region with a line break", `region: "cn-hangzhou\n"`, `region: must be a region ID such as cn-hangzhou, not "cn-hangzhou\n"`},
		{"network", "network: intranet", `network: must be "public" or "vpc", not "intranet"`},
		{"endpoint http", "endpoint: http://metrics.example.com", url + `, not "http://metrics.example.com"`},
		{"endpoint without scheme", "endpoint: metrics.example.com", url},
		{"endpoint with a path", "endpoint: https://example.com/cms", url + ", without user, path or query"},
		{"endpoint port", "endpoint: https://example.com:99999", url},
		{"endpoint loopback", "endpoint: http://127.0.0.1:8080", ""},
		{"endpoint loopback v6", "endpoint: http://[::1]:8080", ""},
		{"endpoint localhost", "endpoint: http://localhost:8080/", ""},

		{"instances", "instances: [alikafka_post-cn-a, ALIKAFKA_9]", ""},
		{"instances from a variable", "instances: a,b", ""},
		{"instance empty", "instances: [a, '']", `instances: entry 1 must be an instance ID of letters, digits, - and _, such as alikafka_post-cn-abc, not ""`},
		{"instance with a space", "instances: ['a b']", `instances: entry 0 must be an instance ID of letters, digits, - and _, such as alikafka_post-cn-abc, not "a b"`},
		{"instance with a dot", "instances: [a.b]", `instances: entry 0 must be an instance ID of letters, digits, - and _, such as alikafka_post-cn-abc, not "a.b"`},
		{"instance with a line break", `instances: ["a\n"]`, `instances: entry 0 must be an instance ID of letters, digits, - and _, such as alikafka_post-cn-abc, not "a\n"`},
		{"instance with a quote", `instances: ['a"}]']`, `instances: entry 0 must be an instance ID of letters, digits, - and _, such as alikafka_post-cn-abc, not "a\"}]"`},
		{"instance twice", "instances: [a, b, a]", `instances: entry 2, "a", is listed before; remove one of the two`},

		{"period 15s", "period: 15s", ""},
		{"period 300s", "period: 300s", ""},
		{"period 45s", "period: 45s", "period: must be 15s or a multiple of 60s, not 45s"},
		{"period 30s", "period: 30s", "period: must be 15s or a multiple of 60s, not 30s"},
		{"period 90s", "period: 90s", "period: must be 15s or a multiple of 60s, not 1m30s"},
		{"period zero", "period: 0s", "period: must be 15s or a multiple of 60s, not 0s"},
		{"spans are not measured by a wrong period", "period: 3601s", "period: must be 15s or a multiple of 60s, not 1h0m1s"},
		{"max_backfill zero", "max_backfill: 0s", "max_backfill: must be positive, not 0s"},
		{"max_backfill negative", "max_backfill: -1h", "max_backfill: must be positive, not -1h0m0s"},
		{"max_backfill retention", "max_backfill: 744h", ""},
		{"max_backfill beyond retention", "max_backfill: 745h", "max_backfill: must be at most 744h0m0s" + answers + "745h0m0s"},
		{"max_backfill retention of 15s", "period: 15s\nmax_backfill: 168h", ""},
		{"max_backfill beyond retention of 15s", "period: 15s\nmax_backfill: 169h", "max_backfill: must be at most 168h0m0s" + answers + "169h0m0s"},
		{"stale_after one period", "stale_after: 60s", ""},
		{"stale_after below period", "stale_after: 59s", "stale_after: must be at least one period (1m0s), not 59s"},
		{"stale_after beyond retention", "stale_after: 745h", "stale_after: must be at most 744h0m0s" + answers + "745h0m0s"},

		{"collection_interval", "collection_interval: 10ms", ""},
		{"collection_interval zero", "collection_interval: 0s", "collection_interval: must be at least 10ms, not 0s"},
		{"collection_interval tiny", "collection_interval: 9ms", "collection_interval: must be at least 10ms, not 9ms"},
		{"initial_delay zero", "initial_delay: 0", ""},
		{"initial_delay negative", "initial_delay: -1s", "initial_delay: must be at least 0s, not -1s"},
		{"timeout zero", "timeout: 0s", "timeout: must be at least 10ms, not 0s"},
		{"http timeout unlimited", "http: {timeout: 0s}", ""},
		{
			"http times", "http: {timeout: -1s, http2_read_idle_timeout: -3s, http2_ping_timeout: -4s}",
			"http::timeout: must be at least 0s, not -1s\n" +
				"http::http2_read_idle_timeout: must be at least 0s, not -3s\nhttp::http2_ping_timeout: must be at least 0s, not -4s",
		},

		{"rate", "requests_per_second: 50", ""},
		{"rate zero", "requests_per_second: 0", "requests_per_second: must be above 0 and at most 50, the limit of the account, not 0"},
		{"rate too high", "requests_per_second: 50.5", "requests_per_second: must be above 0 and at most 50, the limit of the account, not 50.5"},
		{"rate not a number", "requests_per_second: .nan", "requests_per_second: must be above 0 and at most 50, the limit of the account, not NaN"},
		{"concurrency lowest", "max_concurrency: 1", ""},
		{"concurrency highest", "max_concurrency: 50", ""},
		{"concurrency zero", "max_concurrency: 0", "max_concurrency: must be from 1 to 50, not 0"},
		{"concurrency too high", "max_concurrency: 51", "max_concurrency: must be from 1 to 50, not 51"},
		{"retry", "retry_on_failure: {initial_interval: -1s}", "retry_on_failure: initial_interval value must be greater than or equal to 0"},

		{"http endpoint", "http: {endpoint: 'https://example.com'}", "http::endpoint: is not used here; set endpoint instead"},
		{"http proxy", "http: {proxy_url: 'http://proxy:3128'}", ""},
		{"http proxy bad", "http: {proxy_url: '::SENTINEL'}", "http::proxy_url: must be a URL such as http://proxy:3128"},
		{"http proxy without scheme", "http: {proxy_url: 'proxy:3128'}", "http::proxy_url: must be a URL such as http://proxy:3128"},
		{"http auth", "http: {auth: {authenticator: basicauth}}", "http::auth: is not used here; calls are signed with credentials, remove it"},
		{"http header", "http: {headers: {X-Any: x}}", ""},
		{"http header Authorization", "http: {headers: {Authorization: SENTINEL}}", `http::headers: "Authorization" must not be set; calls are signed with credentials, remove it`},
		{"http header Host", "http: {headers: {Host: x}}", `http::headers: "Host" must not be set; calls are signed with credentials, remove it`},
		{"http header of the signature", "http: {headers: {X-Acs-Date: x}}", `http::headers: "X-Acs-Date" must not be set; calls are signed with credentials, remove it`},
		{"no metric", "metrics: {kafka.consumer.message_accumulation: {enabled: false}}", "metrics: at least one metric must be enabled"},

		{"groups", "consumer_groups: {include: [{regexp: '^a'}, {strict: '('}]}", ""},
		{"group regexp", "consumer_groups: {include: [{strict: a}, {regexp: 'a(b'}]}", "consumer_groups::include: entry 1: regexp \"a(b\" is not valid: missing closing ): `a(b`" + regexps},
		{"group regexp of a shell", "consumer_groups: {exclude: [{regexp: '*_test'}]}", "consumer_groups::exclude: entry 0: regexp \"*_test\" is not valid: missing argument to repetition operator: `*`" + regexps},
		{"group both", "consumer_groups: {exclude: [{regexp: a, strict: b}]}", `consumer_groups::exclude: entry 0 must have either strict or regexp, not strict "b" and regexp "a"`},
		{"group none", "consumer_groups: {include: [{}]}", `consumer_groups::include: entry 0 must have either strict or regexp, not strict "" and regexp ""`},

		{"credentials type", "credentials: {type: password}", "credentials::type: must be one of " + types + `, not "password"`},
		{"half a key pair", "credentials: {access_key_id: x}", "credentials::access_key_secret: must be set when type is default"},
		{"other half", "credentials: {access_key_secret: x}", "credentials::access_key_id: must be set when type is default"},
		{"only a token", "credentials: {security_token: x}", "credentials::access_key_id: must be set when type is default\ncredentials::access_key_secret: must be set when type is default"},
		{"access_key", "credentials: {type: access_key}", "credentials::access_key_id: must be set when type is access_key\ncredentials::access_key_secret: must be set when type is access_key"},
		{"access_key blank", `credentials: {type: access_key, access_key_id: " \n", access_key_secret: y}`, "credentials::access_key_id: must be set when type is access_key"},
		{"sts", "credentials: {type: sts, access_key_id: x, access_key_secret: y}", "credentials::security_token: must be set when type is sts"},
		{"sts blank", `credentials: {type: sts, access_key_id: x, access_key_secret: y, security_token: "\n"}`, "credentials::security_token: must be set when type is sts"},
		{"sts complete", "credentials: {type: sts, access_key_id: x, access_key_secret: y, security_token: z}", ""},
		{"ram_role_arn", "credentials: {type: ram_role_arn, access_key_id: x, access_key_secret: y}", "credentials::role_arn: must be set when type is ram_role_arn, here or as ALIBABA_CLOUD_ROLE_ARN in the environment"},
		{
			"oidc_role_arn", "credentials: {type: oidc_role_arn}",
			"credentials::role_arn: must be set when type is oidc_role_arn, here or as ALIBABA_CLOUD_ROLE_ARN in the environment\n" +
				"credentials::oidc_provider_arn: must be set when type is oidc_role_arn, here or as ALIBABA_CLOUD_OIDC_PROVIDER_ARN in the environment\n" +
				"credentials::oidc_token_file: must be set when type is oidc_role_arn, here or as ALIBABA_CLOUD_OIDC_TOKEN_FILE in the environment" + inject,
		},
		{
			"oidc_role_arn in part", "credentials: {type: oidc_role_arn, role_arn: 'acs:ram::1:role/x', oidc_provider_arn: 'acs:ram::1:oidc-provider/x'}",
			"credentials::oidc_token_file: must be set when type is oidc_role_arn, here or as ALIBABA_CLOUD_OIDC_TOKEN_FILE in the environment" + inject,
		},
		{"oidc_role_arn complete", "credentials: {type: oidc_role_arn, role_arn: 'acs:ram::1:role/x', oidc_provider_arn: p, oidc_token_file: f}", ""},
		{"ecs_ram_role", "credentials: {type: ecs_ram_role}", ""},
		{"credentials_uri", "credentials: {type: credentials_uri}", "credentials::url: must be set when type is credentials_uri, here or as ALIBABA_CLOUD_CREDENTIALS_URI in the environment"},
		{"credentials_uri complete", "credentials: {type: credentials_uri, url: 'http://localhost/x'}", ""},
		{"credentials_uri without a host", "credentials: {type: credentials_uri, url: 'http:SENTINEL'}", "credentials::url: must be an http:// or https:// URL"},
		{"credentials_uri of a file", "credentials: {type: credentials_uri, url: 'file://x/SENTINEL'}", "credentials::url: must be an http:// or https:// URL"},
		{"compression", "http: {compression: gzip}", "http::compression: is not used here; the signature covers the body as it is, remove it"},
		{"quick retries", "retry_on_failure: {initial_interval: 99ms}", "retry_on_failure::initial_interval: must be at least 100ms, not 99ms"},
		{"quick retries that are off", "retry_on_failure: {enabled: false, initial_interval: 0s}", ""},
		{"role", "credentials: {type: ram_role_arn, access_key_id: x, access_key_secret: y, role_arn: admin}", `credentials::role_arn: must be like acs:ram::<account>:role/<name>, not "admin"`},
		{"role without type", "credentials: {role_arn: 'acs:ram::1:role/x'}", "credentials::role_arn: is not used when type is default; set type to ram_role_arn or oidc_role_arn"},
		{"token with access_key", "credentials: {type: access_key, access_key_id: x, access_key_secret: y, security_token: z}", "credentials::security_token: is not used when type is access_key; set type to sts"},

		{"blank token with access_key", `credentials: {type: access_key, access_key_id: x, access_key_secret: y, security_token: "\n"}`, ""},

		{"white space around keys", `credentials: {type: sts, access_key_id: " x\n", access_key_secret: "y\r\n", security_token: "\tz"}`, ""},
		{
			"control characters in keys", `credentials: {type: sts, access_key_id: "SENT\nINEL", access_key_secret: "SENTINEL\0", security_token: "SENT\u200bINEL"}`,
			"credentials::access_key_id: " + invalid + "\ncredentials::access_key_secret: " + invalid + "\ncredentials::security_token: " + invalid,
		},
		{
			"all the errors at once",
			"region: X\nnetwork: x\nperiod: 7s\nstale_after: 0s\nmax_concurrency: -1\nmetrics: {kafka.consumer.message_accumulation: {enabled: false}}\n" +
				`consumer_groups: {include: [{}]}` + "\n" + `credentials: {type: x, access_key_id: "a\nb"}` + "\nhttp: {endpoint: x}",
			`region: must be a region ID such as cn-hangzhou, not "X"` + "\n" +
				`network: must be "public" or "vpc", not "x"` + "\n" +
				"period: must be 15s or a multiple of 60s, not 7s\n" +
				"stale_after: must be positive, not 0s\n" +
				"max_concurrency: must be from 1 to 50, not -1\n" +
				`consumer_groups::include: entry 0 must have either strict or regexp, not strict "" and regexp ""` + "\n" +
				"credentials::access_key_id: " + invalid + "\n" +
				"credentials::type: must be one of " + types + `, not "x"` + "\n" +
				"http::endpoint: is not used here; set endpoint instead\n" +
				"metrics: at least one metric must be enabled",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.HasPrefix(tt.yaml, "region:") {
				tt.yaml = "region: cn-hangzhou\n" + tt.yaml
			}
			err := confmap.Validate(configFromYAML(t, tt.yaml))
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestOIDCFromEnvironment(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/x")
	t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/x")
	t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/run/secrets/token")
	cfg := configFromYAML(t, "region: cn-hangzhou\ncredentials: {type: oidc_role_arn}")
	assert.NoError(t, confmap.Validate(cfg))
}

func TestEndpointURL(t *testing.T) {
	tests := []struct{ yaml, want string }{
		{"region: cn-hangzhou", "https://metrics.cn-hangzhou.aliyuncs.com"},
		{"region: cn-hangzhou\nnetwork: vpc", "https://cms-vpc.cn-hangzhou.aliyuncs.com"},
		{"region: cn-hangzhou\nendpoint: http://127.0.0.1:1/", "http://127.0.0.1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			assert.Equal(t, tt.want, configFromYAML(t, tt.yaml).endpointURL())
		})
	}
}

func TestCredentialSettings(t *testing.T) {
	tests := []struct {
		yaml string
		want alicloud.CredentialType
	}{
		{"type: default", alicloud.CredentialDefault},
		{"{access_key_id: a, access_key_secret: b}", alicloud.CredentialAccessKey},
		{"{access_key_id: a, access_key_secret: b, security_token: c}", alicloud.CredentialSTS},
		{"{type: ecs_ram_role, access_key_id: a, access_key_secret: b}", alicloud.CredentialECSRAMRole},
	}
	for _, tt := range tests {
		t.Run(string(tt.want), func(t *testing.T) {
			cfg := configFromYAML(t, "credentials:\n  "+strings.ReplaceAll(tt.yaml, "\n", "\n  "))
			assert.Equal(t, tt.want, cfg.Credentials.Settings().Type)
		})
	}
}

func TestKeysAreTrimmed(t *testing.T) {
	cfg := configFromYAML(t, `credentials: {access_key_id: "id\n", access_key_secret: "\r\nsecret ", security_token: "\ttoken"}`)
	assert.Equal(t, alicloud.CredentialSettings{
		Type: alicloud.CredentialSTS, AccessKeyID: "id", AccessKeySecret: "secret", SecurityToken: "token",
	}, cfg.Credentials.Settings())
	blank := configFromYAML(t, `credentials: {access_key_id: "id", access_key_secret: "secret", security_token: "\n"}`)
	assert.Equal(t, alicloud.CredentialAccessKey, blank.Credentials.Settings().Type)
}

func TestSecretsAreNotPrinted(t *testing.T) {
	cfg := configFromYAML(t, "credentials: {access_key_id: SENTINEL, access_key_secret: SENTINEL, security_token: SENTINEL, url: 'http://SENTINEL/'}")
	printed := confmap.New()
	require.NoError(t, printed.Marshal(cfg))
	assert.NotContains(t, printed.ToStringMap()["credentials"], "SENTINEL")
	text, err := cfg.Credentials.AccessKeySecret.MarshalText()
	require.NoError(t, err)
	assert.NotContains(t, string(text), "SENTINEL")
}

func TestGroupFilter(t *testing.T) {
	filterOf := func(yaml string) func(string) bool {
		cfg := configFromYAML(t, "consumer_groups: "+yaml)
		return cfg.ConsumerGroups.matcher()
	}
	tests := []struct {
		yaml     string
		wanted   []string
		unwanted []string
	}{
		{"{}", []string{"a", ""}, nil},
		{"{include: [{regexp: '^a'}]}", []string{"a", "ab"}, []string{"ba"}},
		{"{include: [{strict: a}]}", []string{"a"}, []string{"ab"}},
		{"{include: [{regexp: '^a'}], exclude: [{strict: ab}]}", []string{"a"}, []string{"ab"}},
		{"{exclude: [{regexp: test}]}", []string{"a"}, []string{"a_test_b"}},
	}
	for _, tt := range tests {
		t.Run(tt.yaml, func(t *testing.T) {
			wanted := filterOf(tt.yaml)
			for _, group := range tt.wanted {
				assert.True(t, wanted(group), group)
			}
			for _, group := range tt.unwanted {
				assert.False(t, wanted(group), group)
			}
		})
	}
}
