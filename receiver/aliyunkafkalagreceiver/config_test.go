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
	"go.opentelemetry.io/collector/filter"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

func loadConfig(t *testing.T, conf *confmap.Conf) *Config {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(cfg))
	return cfg
}

// configFromYAML is the default configuration with region and the given keys.
func configFromYAML(t *testing.T, yaml string) *Config {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	return loadConfig(t, conf)
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
		assert.Equal(t, []filter.Config{{Regex: ".*docking_analog$"}, {Strict: "orders"}}, got.ConsumerGroups.Include)
		assert.Equal(t, []filter.Config{{Strict: "orders_test"}}, got.ConsumerGroups.Exclude)
		assert.Equal(t, 15*time.Second, got.Period)
		assert.Equal(t, 30*time.Minute, got.MaxBackfill)
		assert.Equal(t, 2*time.Minute, got.StaleAfter)
		assert.Equal(t, cms.CredentialSettings{
			Type:            cms.CredentialRAMRoleARN,
			AccessKeyID:     "testid",
			AccessKeySecret: "testsecret",
			RoleARN:         "acs:ram::1234567890123456:role/lag-reader",
			RoleSessionName: "lag",
		}, got.Credentials.settings())
		assert.InDelta(t, 0.5, got.RequestsPerSecond, 0)
		assert.Equal(t, 2, got.MaxConcurrency)
		assert.False(t, got.Retry.Enabled)
		assert.Equal(t, "http://proxy.example.com:3128", got.HTTP.ProxyURL)
		assert.Equal(t, []string{cms.MetricAccumulation, cms.MetricTopicAccumulation}, got.sources())
		assert.False(t, got.MetricsBuilder.ResourceAttributes.CloudAccountID.Enabled)
	})
}

func TestValidate(t *testing.T) {
	for _, name := range []string{
		"ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_CREDENTIALS_URI",
	} {
		t.Setenv(name, "")
	}
	const region = "region: cn-hangzhou\n"
	tests := []struct {
		name string
		yaml string
		want []string // parts of the error; none means valid
	}{
		{name: "region missing", yaml: "network: vpc", want: []string{"region: must be set"}},
		{name: "region with a host", yaml: "region: evil.example.com/", want: []string{"region: \"evil.example.com/\""}},
		{name: "network", yaml: region + "network: intranet", want: []string{`network: must be "public" or "vpc", not "intranet"`}},
		{name: "endpoint http", yaml: region + "endpoint: http://metrics.example.com", want: []string{"endpoint: must be https://", "loopback"}},
		{name: "endpoint without scheme", yaml: region + "endpoint: metrics.example.com", want: []string{"endpoint: must be https://"}},
		{name: "endpoint with a path", yaml: region + "endpoint: https://example.com/cms", want: []string{"endpoint: must be https://", "without user, path or query"}},
		{name: "endpoint loopback", yaml: region + "endpoint: http://127.0.0.1:8080"},
		{name: "endpoint loopback v6", yaml: region + "endpoint: http://[::1]:8080"},
		{name: "endpoint localhost", yaml: region + "endpoint: http://localhost:8080/"},
		{name: "instance empty", yaml: region + "instances: [a, '']", want: []string{"instances: entry 1"}},
		{name: "instance twice", yaml: region + "instances: [a, b, a]", want: []string{`instances: "a" is listed twice`}},
		{name: "period", yaml: region + "period: 45s", want: []string{"period: must be 15s or a multiple of 60s, not 45s"}},
		{name: "period 90s", yaml: region + "period: 90s", want: []string{"period: must be"}},
		{name: "period zero", yaml: region + "period: 0s", want: []string{"period: must be"}},
		{name: "period 300s", yaml: region + "period: 300s"},
		{name: "max_backfill negative", yaml: region + "max_backfill: -1h", want: []string{"max_backfill: must be positive"}},
		{name: "max_backfill beyond retention", yaml: region + "max_backfill: 800h", want: []string{"max_backfill: must be at most 744h"}},
		{name: "max_backfill beyond retention of seconds", yaml: region + "period: 15s\nmax_backfill: 169h", want: []string{"max_backfill: must be at most 168h"}},
		{name: "stale_after below period", yaml: region + "stale_after: 59s", want: []string{"stale_after: must be at least one period"}},
		{name: "timeout zero", yaml: region + "timeout: 0s", want: []string{"timeout: must be positive"}},
		{name: "timeout negative", yaml: region + "timeout: -1s", want: []string{"timeout"}},
		{name: "collection_interval zero", yaml: region + "collection_interval: 0s", want: []string{"collection_interval"}},
		{name: "collection_interval without a unit", yaml: region + "collection_interval: 60", want: []string{"collection_interval: must be at least 10ms, not 60ns; is the unit missing?"}},
		{name: "timeout without a unit", yaml: region + "timeout: 45", want: []string{"timeout: must be at least"}},
		{name: "http timeout without a unit", yaml: region + "http: {timeout: 10}", want: []string{"http::timeout: must be at least"}},
		{name: "rate zero", yaml: region + "requests_per_second: 0", want: []string{"requests_per_second: must be above 0 and at most 50"}},
		{name: "rate too high", yaml: region + "requests_per_second: 51", want: []string{"requests_per_second"}},
		{name: "rate not a number", yaml: region + "requests_per_second: .nan", want: []string{"requests_per_second"}},
		{name: "concurrency", yaml: region + "max_concurrency: 0", want: []string{"max_concurrency: must be from 1 to 50, not 0"}},
		{name: "http endpoint", yaml: region + "http: {endpoint: 'https://example.com'}", want: []string{"http::endpoint: is not used here"}},
		{name: "initial_delay negative", yaml: region + "initial_delay: -1s", want: []string{"initial_delay: must not be negative"}},
		{name: "endpoint port", yaml: region + "endpoint: https://example.com:99999", want: []string{"endpoint: must be https://"}},
		{name: "http proxy", yaml: region + "http: {proxy_url: '::bad'}", want: []string{"http::proxy_url"}},
		{name: "http auth", yaml: region + "http: {auth: {authenticator: basicauth}}", want: []string{"http::auth"}},
		{name: "http header", yaml: region + "http: {headers: {Authorization: x}}", want: []string{"http::headers: Authorization"}},
		{name: "role", yaml: region + "credentials: {type: ram_role_arn, access_key_id: x, access_key_secret: y, role_arn: admin}", want: []string{"role_arn: must be like acs:ram::"}},
		{name: "token with access_key", yaml: region + "credentials: {type: access_key, access_key_id: x, access_key_secret: y, security_token: z}", want: []string{"security_token: is not used when type is access_key"}},
		{name: "host header", yaml: region + "http: {headers: {Host: x}}", want: []string{"http::headers: Host must not be set"}},
		{name: "role without type", yaml: region + "credentials: {role_arn: 'acs:ram::1:role/x'}", want: []string{"role_arn: is not used when type is default"}},
		{name: "http timeout", yaml: region + "http: {timeout: -1s}", want: []string{"http::timeout"}},
		{name: "retry", yaml: region + "retry_on_failure: {initial_interval: -1s}", want: []string{"retry_on_failure"}},
		{name: "no metric", yaml: region + "metrics: {kafka.consumer.message_accumulation: {enabled: false}}", want: []string{"metrics: at least one"}},
		{name: "group regexp", yaml: region + "consumer_groups: {include: [{regexp: '('}]}", want: []string{"consumer_groups::include::0"}},
		{name: "group both", yaml: region + "consumer_groups: {exclude: [{regexp: 'a', strict: 'a'}]}", want: []string{"consumer_groups::exclude::0"}},
		{name: "group none", yaml: region + "consumer_groups: {exclude: [{}]}", want: []string{"consumer_groups::exclude::0"}},
		{name: "credentials type", yaml: region + "credentials: {type: password}", want: []string{"credentials: type: must be one of", `"password"`}},
		{name: "half a key pair", yaml: region + "credentials: {access_key_id: x}", want: []string{"credentials: access_key_secret: must be set"}},
		{name: "access_key", yaml: region + "credentials: {type: access_key}", want: []string{"access_key_id: must be set", "access_key_secret: must be set"}},
		{name: "sts", yaml: region + "credentials: {type: sts, access_key_id: x, access_key_secret: y}", want: []string{"security_token: must be set when type is sts"}},
		{name: "ram_role_arn", yaml: region + "credentials: {type: ram_role_arn, access_key_id: x, access_key_secret: y}", want: []string{"role_arn: must be set", "ALIBABA_CLOUD_ROLE_ARN"}},
		{name: "oidc_role_arn", yaml: region + "credentials: {type: oidc_role_arn}", want: []string{"role_arn", "oidc_provider_arn", "oidc_token_file"}},
		{name: "ecs_ram_role", yaml: region + "credentials: {type: ecs_ram_role}"},
		{name: "credentials_uri", yaml: region + "credentials: {type: credentials_uri}", want: []string{"url: must be set"}},
		{name: "credentials_uri no URL", yaml: region + "credentials: {type: credentials_uri, url: 'file:///etc/passwd'}", want: []string{"url: must be an http:// or https:// URL"}},
		{
			name: "all the errors at once",
			yaml: "period: 7s\nnetwork: x\nmax_concurrency: -1\ncredentials: {type: x}",
			want: []string{"region", "period", "network", "max_concurrency", "credentials"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := confmap.Validate(configFromYAML(t, tt.yaml))
			if len(tt.want) == 0 {
				assert.NoError(t, err)
				return
			}
			for _, part := range tt.want {
				assert.ErrorContains(t, err, part)
			}
		})
	}
}

func TestUnknownKeyIsRefused(t *testing.T) {
	conf := confmap.NewFromStringMap(map[string]any{"region": "cn-hangzhou", "colection_interval": "60s"})
	assert.ErrorContains(t, conf.Unmarshal(createDefaultConfig()), "colection_interval")
}

func TestUnknownKeysOfHTTPAreRefused(t *testing.T) {
	tests := []struct {
		name string
		http map[string]any
		want string // part of the error; none means valid
	}{
		{"known", map[string]any{
			"proxy_url": "http://proxy:3128", "timeout": "5s", "headers": map[string]any{"X-Any": "1"},
			"tls": map[string]any{"ca_file": "ca.pem", "insecure_skip_verify": true}, "keepalive": map[string]any{"max_idle_conns": 5},
		}, ""},
		{"mistyped", map[string]any{"proxi_url": "http://proxy:3128"}, "http::proxi_url"},
		{"mistyped below", map[string]any{"tls": map[string]any{"ca": "ca.pem"}}, "http::tls::ca"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conf := confmap.NewFromStringMap(map[string]any{"region": "cn-hangzhou", "http": tt.http})
			err := conf.Unmarshal(createDefaultConfig())
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, tt.want)
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
		want cms.CredentialType
	}{
		{"type: default", cms.CredentialDefault},
		{"{access_key_id: a, access_key_secret: b}", cms.CredentialAccessKey},
		{"{access_key_id: a, access_key_secret: b, security_token: c}", cms.CredentialSTS},
		{"{type: ecs_ram_role, access_key_id: a, access_key_secret: b}", cms.CredentialECSRAMRole},
	}
	for _, tt := range tests {
		t.Run(string(tt.want), func(t *testing.T) {
			cfg := configFromYAML(t, "credentials:\n  "+strings.ReplaceAll(tt.yaml, "\n", "\n  "))
			assert.Equal(t, tt.want, cfg.Credentials.settings().Type)
		})
	}
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
