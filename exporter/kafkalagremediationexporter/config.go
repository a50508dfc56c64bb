package kafkalagremediationexporter

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/dingtalk"
)

// Config is the configuration of the exporter.
type Config struct {
	// DryRun makes the exporter only log, count and send what it would do. It changes nothing on the cluster then.
	DryRun bool `mapstructure:"dry_run"`
	// Threshold is the lag in messages from which on a check is a breach.
	Threshold float64 `mapstructure:"threshold"`
	// CheckInterval is the time between two judgements of a target.
	CheckInterval time.Duration `mapstructure:"check_interval"`
	// UnlessDraining makes a lag that will be gone before the next check no breach.
	UnlessDraining bool `mapstructure:"unless_draining"`
	// NoDataAfter is the age of the newest point at which people are told, during an episode.
	NoDataAfter time.Duration `mapstructure:"no_data_after"`
	// Stages are what is done at the first check that is a breach, at the second, and so on.
	Stages []StageConfig `mapstructure:"stages"`
	// Targets say which workload consumes for a group. The first that matches counts, names before regexps.
	Targets []TargetConfig `mapstructure:"targets"`

	// Cooldown is the least time between two actions on one target. They are at least CheckInterval apart in any case.
	Cooldown time.Duration `mapstructure:"cooldown"`
	// MaxActionsPerHour limits the actions on all targets together.
	MaxActionsPerHour int `mapstructure:"max_actions_per_hour"`
	// MaxTargetsAtOnce is how many targets may be in breach together. With more, nothing is done and people are told.
	MaxTargetsAtOnce int `mapstructure:"max_targets_at_once"`

	// Confirm is what is asked for a second opinion before a restart: alikafka, or nothing.
	Confirm string `mapstructure:"confirm"`
	// AliKafka says how it is asked. It is used if Confirm is alikafka.
	AliKafka AliKafkaConfig `mapstructure:"alikafka"`

	// Kubeconfig is the path of a file with the address of the cluster. Empty means the cluster that the collector runs in.
	Kubeconfig string `mapstructure:"kubeconfig"`
	// LeaderElection makes only one of several collectors act. They are safe without it, too.
	LeaderElection configoptional.Optional[LeaderElectionConfig] `mapstructure:"leader_election"`
	// Notifications say how people are told.
	Notifications NotificationsConfig `mapstructure:"notifications"`

	_ struct{} // prevents unkeyed literals
}

// StageConfig is one stage. Exactly one field is set. `restart` and `notify` may be written as plain words.
type StageConfig struct {
	Restart *struct{}      `mapstructure:"restart"`
	ScaleUp *ScaleUpConfig `mapstructure:"scale_up"`
	Notify  *struct{}      `mapstructure:"notify"`
}

// ScaleUpConfig raises the replicas, or the minimum of the autoscaler that owns them.
type ScaleUpConfig struct {
	// Replicas is how many more.
	Replicas int32 `mapstructure:"replicas"`
	// MaxReplicas is never exceeded. 0 is no limit but the autoscaler's maximum.
	MaxReplicas int32 `mapstructure:"max_replicas"`
}

// UnmarshalText reads a stage that is written as a plain word.
func (s *StageConfig) UnmarshalText(text []byte) error {
	switch string(text) {
	case string(ladder.Restart):
		*s = StageConfig{Restart: &struct{}{}}
	case string(ladder.Notify):
		*s = StageConfig{Notify: &struct{}{}}
	default:
		return fmt.Errorf("must be restart, notify or scale_up: {replicas: 2}, not %q", text)
	}
	return nil
}

// Unmarshal reads a stage that is written as a section. The decoder takes an empty section for none.
func (s *StageConfig) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(s); err != nil {
		return err
	}
	if conf.IsSet(string(ladder.Restart)) {
		s.Restart = &struct{}{}
	}
	if conf.IsSet(string(ladder.Notify)) {
		s.Notify = &struct{}{}
	}
	return nil
}

// TargetConfig maps consumer groups to a workload.
type TargetConfig struct {
	// Group is the name of a group. Either it or GroupRegexp is set.
	Group string `mapstructure:"group"`
	// GroupRegexp matches names of groups (RE2). Deployment, StatefulSet and Namespace may use its capture groups: $1.
	GroupRegexp string `mapstructure:"group_regexp"`
	// InstanceID restricts the target to the groups of one Kafka instance. Empty is any.
	InstanceID string `mapstructure:"instance_id"`
	// Namespace of the workload. Required.
	Namespace string `mapstructure:"namespace"`
	// Deployment or StatefulSet is the name of the workload.
	Deployment  string `mapstructure:"deployment"`
	StatefulSet string `mapstructure:"statefulset"`
}

// confirmAliKafka is the value of Config.Confirm that asks AliKafka.
const confirmAliKafka = "alikafka"

// AliKafkaConfig says how AliKafka is asked whether a consumer group is stuck or only slow.
type AliKafkaConfig struct {
	// Region of the Kafka instances, such as cn-hangzhou. Required.
	Region string `mapstructure:"region"`
	// Endpoint replaces the endpoint of Region and Network.
	Endpoint string `mapstructure:"endpoint"`
	// Network is "public" or "vpc" and chooses between the region's two endpoints.
	Network string `mapstructure:"network"`
	// Wait is the time between the two looks at the offsets. It must be longer than the time between two commits.
	Wait time.Duration `mapstructure:"wait"`
	// Credentials is how the calls are signed.
	Credentials alicloud.CredentialsConfig `mapstructure:"credentials"`
	// HTTP configures the connections.
	HTTP confighttp.ClientConfig `mapstructure:"http"`
}

// LeaderElectionConfig names the Lease that collectors compete for.
type LeaderElectionConfig struct {
	// Namespace of the Lease. Required.
	Namespace string `mapstructure:"namespace"`
	// Lease is its name.
	Lease string `mapstructure:"lease"`
}

// NotificationsConfig says how people are told.
type NotificationsConfig struct {
	// Language of the texts: zh or en.
	Language string `mapstructure:"language"`
	// DingTalk sends to a group robot.
	DingTalk configoptional.Optional[DingTalkConfig] `mapstructure:"dingtalk"`
	// Webhook posts JSON to an address.
	Webhook configoptional.Optional[confighttp.ClientConfig] `mapstructure:"webhook"`
}

// Unmarshal rejects the unknown keys of the webhook, too, which confighttp.ClientConfig ignores.
func (n *NotificationsConfig) Unmarshal(conf *confmap.Conf) error {
	if err := checkHTTPKeys(conf, "webhook"); err != nil {
		return err
	}
	return conf.Unmarshal(n)
}

// Marshal hides the address of the webhook, which may hold a token.
func (n NotificationsConfig) Marshal(conf *confmap.Conf) error {
	type plain NotificationsConfig // has no method Marshal
	if err := conf.Marshal(plain(n)); err != nil || !n.Webhook.HasValue() {
		return err
	}
	endpoint := configopaque.String(n.Webhook.Get().Endpoint)
	return conf.Merge(confmap.NewFromStringMap(map[string]any{"webhook": map[string]any{"endpoint": endpoint.String()}}))
}

// Unmarshal rejects the unknown keys of http, too.
func (k *AliKafkaConfig) Unmarshal(conf *confmap.Conf) error {
	if err := checkHTTPKeys(conf, "http"); err != nil {
		return err
	}
	return conf.Unmarshal(k)
}

// checkHTTPKeys returns an error if the section of an HTTP client has an unknown key.
func checkHTTPKeys(conf *confmap.Conf, name string) error {
	section, err := conf.Sub(name)
	if err == nil {
		type strict confighttp.ClientConfig // has no method Unmarshal
		section.Delete("enabled")
		err = section.Unmarshal(&strict{})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// DingTalkConfig is a group robot of DingTalk.
type DingTalkConfig struct {
	// URL of the robot's webhook, with its access_token.
	URL configopaque.String `mapstructure:"url"`
	// Secret is the key of the signature, SEC…, if the robot demands one.
	Secret configopaque.String `mapstructure:"secret"`
}

func (d *DingTalkConfig) address() dingtalk.Address {
	return dingtalk.Address{URL: string(d.URL), Secret: string(d.Secret)}
}

// Validate returns everything that is wrong in one error. Each begins with the path of its key.
func (cfg *Config) Validate() error {
	var all []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	check(cfg.Threshold > 0, "threshold: must be above 0, not %v", cfg.Threshold)
	check(cfg.CheckInterval >= time.Second, "check_interval: must be at least 1s, not %s", cfg.CheckInterval)
	check(cfg.NoDataAfter > 0, "no_data_after: must be above 0, not %s", cfg.NoDataAfter)
	check(cfg.Cooldown >= 0, "cooldown: must not be negative, but is %s", cfg.Cooldown)
	check(cfg.MaxActionsPerHour > 0, "max_actions_per_hour: must be at least 1, not %d; set dry_run to do nothing", cfg.MaxActionsPerHour)
	check(cfg.MaxTargetsAtOnce > 0, "max_targets_at_once: must be at least 1, not %d; set dry_run to do nothing", cfg.MaxTargetsAtOnce)
	check(len(cfg.Stages) > 0, "stages: at least one is needed, such as restart")
	for i, stage := range cfg.Stages {
		stage.validate(fmt.Sprintf("stages::%d", i), check)
	}
	check(len(cfg.Targets) > 0, "targets: at least one is needed")
	for i, target := range cfg.Targets {
		target.validate(fmt.Sprintf("targets::%d", i), check)
	}
	if e := cfg.LeaderElection.Get(); e != nil {
		check(e.Namespace != "" && e.Lease != "", "leader_election: namespace and lease must be set")
	}
	cfg.validateConfirm(check)
	cfg.Notifications.validate(check)
	return errors.Join(all...)
}

type checkFunc func(ok bool, format string, args ...any)

func (s StageConfig) validate(path string, check checkFunc) {
	set := 0
	for _, one := range []bool{s.Restart != nil, s.ScaleUp != nil, s.Notify != nil} {
		if one {
			set++
		}
	}
	check(set == 1, "%s: must be one of restart, scale_up and notify", path)
	if up := s.ScaleUp; up != nil {
		check(up.Replicas > 0, "%s::scale_up::replicas: must be at least 1, not %d", path, up.Replicas)
		check(up.MaxReplicas >= 0, "%s::scale_up::max_replicas: must not be negative, but is %d", path, up.MaxReplicas)
	}
}

func (t TargetConfig) validate(path string, check checkFunc) {
	check((t.Group == "") != (t.GroupRegexp == ""), "%s: one of group and group_regexp must be set, and not both", path)
	pattern, err := regexp.Compile(t.GroupRegexp)
	check(err == nil, "%s::group_regexp: %w", path, err)
	for _, key := range []struct{ name, text string }{
		{"namespace", t.Namespace}, {"deployment", t.Deployment}, {"statefulset", t.StatefulSet},
	} {
		for _, match := range reference.FindAllStringSubmatch(key.text, -1) {
			check(err != nil || hasGroup(pattern, match[1]+match[2]), "%s::%s: group_regexp has no capture group for %s; before a letter, a digit or _ write $${1}",
				path, key.name, match[0])
		}
	}
	check(t.Namespace != "", "%s::namespace: must be set", path)
	check((t.Deployment == "") != (t.StatefulSet == ""), "%s: one of deployment and statefulset must be set, and not both", path)
}

// reference finds what regexp.Expand replaces.
var reference = regexp.MustCompile(`\$(?:(\w+)|\{(\w+)\})`)

func hasGroup(pattern *regexp.Regexp, name string) bool {
	n, err := strconv.Atoi(name)
	return err == nil && n <= pattern.NumSubexp() || pattern.SubexpIndex(name) > 0
}

func (cfg *Config) validateConfirm(check checkFunc) {
	check(cfg.Confirm == "" || cfg.Confirm == confirmAliKafka, "confirm: must be %s or empty, not %q", confirmAliKafka, cfg.Confirm)
	if cfg.Confirm != confirmAliKafka {
		return
	}
	k := &cfg.AliKafka
	for _, err := range slices.Concat(alicloud.ServiceProblems(k.Region, k.Network, k.Endpoint), k.Credentials.Problems(), alicloud.HTTPProblems(&k.HTTP)) {
		check(false, "alikafka::%w", err)
	}
	check(k.Wait > 0 && k.Wait < cfg.CheckInterval, "alikafka::wait: must be above 0 and below check_interval (%s), not %s", cfg.CheckInterval, k.Wait)
}

func (n *NotificationsConfig) validate(check checkFunc) {
	check(n.Language == languageChinese || n.Language == languageEnglish, "notifications::language: must be zh or en, not %q", n.Language)
	if d := n.DingTalk.Get(); d != nil {
		err := d.address().Validate()
		check(err == nil, "notifications::dingtalk::url: %w", err)
	}
	if w := n.Webhook.Get(); w != nil {
		check(w.Endpoint != "", "notifications::webhook::endpoint: must be set")
	}
}

// ladder returns the settings of the ladder.
func (cfg *Config) ladder() ladder.Settings {
	s := ladder.Settings{
		Threshold: cfg.Threshold, CheckInterval: cfg.CheckInterval, NoDataAfter: cfg.NoDataAfter,
		Cooldown: cfg.Cooldown, UnlessDraining: cfg.UnlessDraining, Confirm: cfg.Confirm != "",
	}
	for _, stage := range cfg.Stages {
		switch {
		case stage.Restart != nil:
			s.Stages = append(s.Stages, ladder.Stage{Kind: ladder.Restart})
		case stage.ScaleUp != nil:
			s.Stages = append(s.Stages, ladder.Stage{Kind: ladder.ScaleUp, Replicas: stage.ScaleUp.Replicas, MaxReplicas: stage.ScaleUp.MaxReplicas})
		default:
			s.Stages = append(s.Stages, ladder.Stage{Kind: ladder.Notify})
		}
	}
	return s
}
