package kafkalagremediationexporter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// oneTarget is all that has to be configured.
const oneTarget = "targets: [{group: orders, namespace: shop, deployment: orders}]\n"

func confFromYAML(t *testing.T, yaml string) *confmap.Conf {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	return conf
}

// configFromYAML returns the default configuration with the given keys.
func configFromYAML(t *testing.T, yaml string) *Config {
	t.Helper()
	return loadConfig(t, confFromYAML(t, yaml))
}

func loadConfig(t *testing.T, conf *confmap.Conf) *Config {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(cfg))
	return cfg
}

// resolve returns a configuration as the collector reads it, with the variables expanded.
func resolve(t *testing.T, yaml string) *confmap.Conf {
	t.Helper()
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: []string{"yaml:" + yaml}, DefaultScheme: "env",
		ProviderFactories: []confmap.ProviderFactory{envprovider.NewFactory(), yamlprovider.NewFactory()},
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	require.NoError(t, err)
	require.NoError(t, resolver.Shutdown(t.Context()))
	return conf
}

func TestLoadConfig(t *testing.T) {
	t.Setenv("DINGTALK_URL", "https://oapi.dingtalk.com/robot/send?access_token=token")
	t.Setenv("DINGTALK_SECRET", "SECsecret")
	file, err := os.ReadFile(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	conf := resolve(t, string(file))

	t.Run("defaults", func(t *testing.T) {
		sub, err := conf.Sub("kafkalagremediation")
		require.NoError(t, err)
		got := loadConfig(t, sub)
		want := createDefaultConfig().(*Config)
		want.Targets = []TargetConfig{{Group: "orders", Namespace: "shop", Deployment: "orders"}}
		assert.Equal(t, want, got)
		assert.NoError(t, confmap.Validate(got))
	})

	t.Run("all keys", func(t *testing.T) {
		sub, err := conf.Sub("kafkalagremediation/all")
		require.NoError(t, err)
		got := loadConfig(t, sub)
		require.NoError(t, confmap.Validate(got))

		assert.False(t, got.DryRun)
		assert.Equal(t, ladder.Settings{
			Stages:    []ladder.Stage{{Kind: ladder.Restart}, {Kind: ladder.ScaleUp, Replicas: 3, MaxReplicas: 12}, {Kind: ladder.Notify}},
			Threshold: 200_000, CheckInterval: 5 * time.Minute, NoDataAfter: 20 * time.Minute, Cooldown: 7 * time.Minute,
		}, got.ladder())
		assert.Equal(t, []TargetConfig{
			{Group: "orders", InstanceID: "alikafka_post-cn-a", Namespace: "shop", StatefulSet: "orders"},
			{GroupRegexp: `^(\w+)_docking_analog$`, Namespace: "docking", Deployment: "$1-consumer"},
		}, got.Targets, "the collector expands ${…}, and leaves $1 alone")
		assert.Equal(t, 4, got.MaxActionsPerHour)
		assert.Equal(t, 2, got.MaxTargetsAtOnce)
		assert.Equal(t, "testdata/kubeconfig", got.Kubeconfig)
		assert.Equal(t, &LeaderElectionConfig{Namespace: "monitoring", Lease: "kafkalagremediation"}, got.LeaderElection.Get())
		assert.Equal(t, "en", got.Notifications.Language)
		assert.Equal(t, &DingTalkConfig{
			URL: "https://oapi.dingtalk.com/robot/send?access_token=token", Secret: configopaque.String("SECsecret"),
		}, got.Notifications.DingTalk.Get())
		require.True(t, got.Notifications.Webhook.HasValue())
		assert.Equal(t, "https://hook.example.com/lag", got.Notifications.Webhook.Get().Endpoint)
		assert.Equal(t, 3*time.Second, got.Notifications.Webhook.Get().Timeout)
	})
}

func TestDefaults(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	assert.True(t, cfg.DryRun, "nothing is changed unless it is asked for")
	assert.Equal(t, ladder.Settings{
		Stages:    []ladder.Stage{{Kind: ladder.Restart}, {Kind: ladder.ScaleUp, Replicas: 2}, {Kind: ladder.Notify}},
		Threshold: 150_000, CheckInterval: 10 * time.Minute, NoDataAfter: 15 * time.Minute, UnlessDraining: true,
	}, cfg.ladder())
	assert.Equal(t, 10, cfg.MaxActionsPerHour)
	assert.Equal(t, 3, cfg.MaxTargetsAtOnce)
	assert.False(t, cfg.LeaderElection.HasValue())
	assert.Equal(t, "zh", cfg.Notifications.Language)
	assert.False(t, cfg.Notifications.DingTalk.HasValue())
	assert.False(t, cfg.Notifications.Webhook.HasValue())
	webhook := configFromYAML(t, "notifications: {webhook: {endpoint: 'http://localhost'}}").Notifications.Webhook.Get()
	assert.Equal(t, 10*time.Second, webhook.Timeout)
}

func TestStages(t *testing.T) {
	restart, scaleUp, notify := StageConfig{Restart: &struct{}{}}, StageConfig{ScaleUp: &ScaleUpConfig{Replicas: 2}}, StageConfig{Notify: &struct{}{}}
	tests := []struct {
		yaml string
		want []StageConfig
	}{
		{"[restart, {scale_up: {replicas: 2}}, notify]", []StageConfig{restart, scaleUp, notify}},
		{"[{restart: {}}, {scale_up: {replicas: 2}}, {notify: {}}]", []StageConfig{restart, scaleUp, notify}},
		{"[{restart: }, {notify: }]", []StageConfig{restart, notify}},
		{"[{notify: {}}]", []StageConfig{notify}},
		{"[{scale_up: {replicas: 2}}]", []StageConfig{scaleUp}}, // nothing is left of the default
		{"[notify, restart, restart]", []StageConfig{notify, restart, restart}},
	}
	for _, tt := range tests {
		t.Run(tt.yaml, func(t *testing.T) {
			cfg := configFromYAML(t, oneTarget+"stages: "+tt.yaml)
			assert.Equal(t, tt.want, cfg.Stages)
			assert.NoError(t, confmap.Validate(cfg))
		})
	}
}

// TestReferencesToGroups: the collector replaces ${1} itself, so that it has to be written with two dollars.
func TestReferencesToGroups(t *testing.T) {
	conf := resolve(t, `targets: [{group_regexp: '^(\w+)_x$', namespace: shop, deployment: 'a$${1}b'}]`)
	cfg := loadConfig(t, conf)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, "a${1}b", cfg.Targets[0].Deployment)
}

func TestValidate(t *testing.T) {
	const (
		oneOf    = ": must be one of restart, scale_up and notify"
		group    = "targets::0: one of group and group_regexp must be set, and not both"
		workload = "targets::0: one of deployment and statefulset must be set, and not both"
		robot    = "notifications::dingtalk::url: the URL of the robot is not valid: it should read https://oapi.dingtalk.com/robot/send?access_token=…"
		braces   = "; before a letter, a digit or _ write $${1}"
	)
	tests := []struct {
		name string
		yaml string
		want string // the error; empty means valid
	}{
		{"threshold", "threshold: 0", "threshold: must be above 0, not 0"},
		{"threshold not a number", "threshold: .nan", "threshold: must be above 0, not NaN"},
		{"check_interval", "check_interval: 999ms", "check_interval: must be at least 1s, not 999ms"},
		{"check_interval without a unit", "check_interval: 60", "check_interval: must be at least 1s, not 60ns"},
		{"check_interval lowest", "check_interval: 1s", ""},
		{"no_data_after", "no_data_after: 0s", "no_data_after: must be above 0, not 0s"},
		{"cooldown", "cooldown: -1s", "cooldown: must not be negative, but is -1s"},
		{"no cooldown", "cooldown: 0s", ""},
		{"max_actions_per_hour", "max_actions_per_hour: 0", "max_actions_per_hour: must be at least 1, not 0; set dry_run to do nothing"},
		{"max_targets_at_once", "max_targets_at_once: 0", "max_targets_at_once: must be at least 1, not 0; set dry_run to do nothing"},

		{"no stages", "stages: []", "stages: at least one is needed, such as restart"},
		{"empty stage", "stages: [restart, {}]", "stages::1" + oneOf},
		{"two in one", "stages: [{restart: , notify: }]", "stages::0" + oneOf},
		{"scale_up without replicas", "stages: [{scale_up: {}}]", "stages::0::scale_up::replicas: must be at least 1, not 0"},
		{"max_replicas", "stages: [{scale_up: {replicas: 1, max_replicas: -1}}]", "stages::0::scale_up::max_replicas: must not be negative, but is -1"},

		{"no targets", "targets: []", "targets: at least one is needed"},
		{"no group", "targets: [{namespace: n, deployment: d}]", group},
		{"group and group_regexp", "targets: [{group: g, group_regexp: g, namespace: n, deployment: d}]", group},
		{"group_regexp", "targets: [{group_regexp: 'a(b', namespace: n, deployment: $1}]", "targets::0::group_regexp: error parsing regexp: missing closing ): `a(b`"},
		{"namespace", "targets: [{group: g, deployment: d}]", "targets::0::namespace: must be set"},
		{"no workload", "targets: [{group: g, namespace: n}]", workload},
		{"deployment and statefulset", "targets: [{group: g, namespace: n, deployment: d, statefulset: s}]", workload},
		{"the place of a target", oneTarget[:len(oneTarget)-2] + ", {group: g, deployment: d}]", "targets::1::namespace: must be set"},
		{"capture groups", `targets: [{group_regexp: '^(\w+)_(?P<what>\w+)$', namespace: $what, statefulset: 'a${1}b-$2'}]`, ""},
		{"no capture group", `targets: [{group_regexp: '^\w+$', namespace: n, deployment: $1-consumer}]`, "targets::0::deployment: group_regexp has no capture group for $1" + braces},
		{"another capture group", `targets: [{group_regexp: '^(\w+)$', namespace: $name, statefulset: '$2'}]`, "targets::0::namespace: group_regexp has no capture group for $name" + braces +
			"\ntargets::0::statefulset: group_regexp has no capture group for $2" + braces},
		{"a reference runs on", `targets: [{group_regexp: '^(\w+)$', namespace: n, deployment: $1consumer}]`, "targets::0::deployment: group_regexp has no capture group for $1consumer" + braces},
		{"a name has no capture groups", "targets: [{group: g, namespace: n, deployment: $1}]", "targets::0::deployment: group_regexp has no capture group for $1" + braces},

		{"leader_election", "leader_election: {}", "leader_election: namespace and lease must be set"},
		{"leader_election without lease", "leader_election: {namespace: n, lease: ''}", "leader_election: namespace and lease must be set"},
		{"leader_election off", "leader_election: {enabled: false}", ""},
		{"language", "notifications: {language: fr}", `notifications::language: must be zh or en, not "fr"`},
		{"dingtalk without url", "notifications: {dingtalk: {secret: SENTINEL}}", robot},
		{"dingtalk with a bad url", "notifications: {dingtalk: {url: ':SENTINEL', secret: SENTINEL}}", robot},
		{"dingtalk with a mistake", "notifications: {dingtalk: {url: 'htps://oapi.dingtalk.com/robot/send?access_token=SENTINEL'}}", robot},
		{"dingtalk without a host", "notifications: {dingtalk: {url: 'https:///robot/send?access_token=SENTINEL'}}", robot},
		{"dingtalk through a proxy of one's own", "notifications: {dingtalk: {url: 'http://proxy/robot/send?access_token=x'}}", ""},
		{"dingtalk without a secret", "notifications: {dingtalk: {url: 'https://oapi.dingtalk.com/robot/send?access_token=x'}}", ""},
		{"webhook", "notifications: {webhook: {}}", "notifications::webhook::endpoint: must be set"},
		{
			"all the errors at once",
			"threshold: -1\ncheck_interval: 0s\nno_data_after: -1s\ncooldown: -2s\nmax_actions_per_hour: -1\nmax_targets_at_once: -1\nstages: []\ntargets: []\n" +
				"leader_election: {}\nnotifications: {language: '', dingtalk: {}, webhook: {}}",
			"threshold: must be above 0, not -1\n" +
				"check_interval: must be at least 1s, not 0s\n" +
				"no_data_after: must be above 0, not -1s\n" +
				"cooldown: must not be negative, but is -2s\n" +
				"max_actions_per_hour: must be at least 1, not -1; set dry_run to do nothing\n" +
				"max_targets_at_once: must be at least 1, not -1; set dry_run to do nothing\n" +
				"stages: at least one is needed, such as restart\n" +
				"targets: at least one is needed\n" +
				"leader_election: namespace and lease must be set\n" +
				`notifications::language: must be zh or en, not ""` + "\n" + robot + "\n" +
				"notifications::webhook::endpoint: must be set",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.yaml, "targets:") {
				tt.yaml = oneTarget + tt.yaml
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

func TestUnknownKeys(t *testing.T) {
	tests := []struct{ yaml, key string }{
		{"treshold: 1", "treshold"},
		{"stages: [restrt]", "restrt"},
		{"stages: [{restart: {now: true}}]", "now"},
		{"stages: [{scale_up: {replica: 1}}]", "replica"},
		{"stages: [{scale-up: {replicas: 1}}]", "scale-up"},
		{"targets: [{gruop: g}]", "gruop"},
		{"leader_election: {name: x}", "name"},
		{"notifications: {lang: en}", "lang"},
		{"notifications: {dingtalk: {token: SENTINEL}}", "token"},
		{"notifications: {webhook: {url: 'https://SENTINEL'}}", "url"},
		{"notifications: {webhook: {endpoint: 'http://localhost', tls: {cafile: x}}}", "cafile"},
	}
	for _, tt := range tests {
		t.Run(tt.yaml, func(t *testing.T) {
			err := confFromYAML(t, tt.yaml).Unmarshal(createDefaultConfig())
			require.ErrorContains(t, err, tt.key)
			assert.NotContains(t, err.Error(), "SENTINEL")
		})
	}
	known := "notifications: {webhook: {enabled: true, endpoint: 'http://localhost', headers: {X-Any: x}, keepalive: {enabled: true, max_idle_conns: 5}}}"
	assert.NoError(t, confFromYAML(t, known).Unmarshal(createDefaultConfig()))
}

func TestSecretsAreNotPrinted(t *testing.T) {
	cfg := configFromYAML(t, "notifications: {dingtalk: {url: 'https://oapi.dingtalk.com/robot/send?access_token=SENTINEL', secret: SENTINEL}, "+
		"webhook: {endpoint: 'https://hook.example.com/SENTINEL', headers: {Authorization: SENTINEL}, timeout: 3s}}")
	require.Contains(t, string(cfg.Notifications.DingTalk.Get().URL), "SENTINEL")
	printed := confmap.New()
	require.NoError(t, printed.Marshal(cfg))
	notifications, err := printed.Sub("notifications::dingtalk")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"url": "[REDACTED]", "secret": "[REDACTED]"}, notifications.ToStringMap())
	assert.Equal(t, "[REDACTED]", printed.Get("notifications::webhook::endpoint"))
	assert.Equal(t, "zh", printed.Get("notifications::language"))
	assert.Equal(t, 3*time.Second, printed.Get("notifications::webhook::timeout"))
	assert.NotContains(t, fmt.Sprint(printed.ToStringMap()), "SENTINEL")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(format, *cfg.Notifications.DingTalk.Get()), "SENTINEL", format)
	}
}

// TestConfigOfMetadata keeps the example that the generated tests use in step with Validate.
func TestConfigOfMetadata(t *testing.T) {
	conf, err := confmaptest.LoadConf("metadata.yaml")
	require.NoError(t, err)
	sub, err := conf.Sub("tests::config")
	require.NoError(t, err)
	assert.NoError(t, confmap.Validate(loadConfig(t, sub)))
}
