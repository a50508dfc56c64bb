package aliyunkafkalagreceiver

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

const (
	// secondPeriod is the only period below a minute that CloudMonitor has for Kafka.
	secondPeriod = 15 * time.Second

	// What CloudMonitor keeps (DescribeMetricList, "retention"): points of a period below 60 s for 7 days; for longer
	// periods a query spans at most 31 days.
	secondRetention = 7 * 24 * time.Hour
	maxQuerySpan    = 31 * 24 * time.Hour

	// accountRequestLimit is CloudMonitor's limit of calls a second to DescribeMetricList, shared by everything that
	// uses the account.
	accountRequestLimit = 50
	maxConcurrencyLimit = 50

	// shortestTime keeps a mistyped interval from turning the receiver into a busy loop.
	shortestTime = 10 * time.Millisecond
	// shortestWait keeps retries from using up the free quota during an outage.
	shortestWait = 100 * time.Millisecond
)

var instancePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// CredentialsConfig is how the receiver signs its calls.
type CredentialsConfig = alicloud.CredentialsConfig

// Config is the configuration of the receiver.
type Config struct {
	MetricsBuilder metadata.MetricsBuilderConfig `mapstructure:",squash"`

	// CollectionInterval is the time from the start of one scrape to the start of the next.
	CollectionInterval time.Duration `mapstructure:"collection_interval"`
	// InitialDelay is the time from the start of the receiver to its first scrape.
	InitialDelay time.Duration `mapstructure:"initial_delay"`
	// Timeout limits one scrape, retries and delivery included.
	Timeout time.Duration `mapstructure:"timeout"`

	// Region is the region whose CloudMonitor is asked, such as cn-hangzhou. Required.
	Region string `mapstructure:"region"`
	// Endpoint replaces the endpoint of Region and Network: https://host[:port], or http:// for a loopback host.
	Endpoint string `mapstructure:"endpoint"`
	// Network is "public" or "vpc" and chooses between the region's two endpoints.
	Network string `mapstructure:"network"`
	// Instances are the Kafka instance IDs to read. Empty means every instance of the account in the region.
	Instances []string `mapstructure:"instances"`
	// ConsumerGroups chooses the consumer groups to emit.
	ConsumerGroups GroupFilterConfig `mapstructure:"consumer_groups"`

	// Period is CloudMonitor's statistical period: 15s or a multiple of 60s.
	Period time.Duration `mapstructure:"period"`
	// MaxBackfill is how far back a query may reach after an outage. Older points are dropped.
	MaxBackfill time.Duration `mapstructure:"max_backfill"`
	// StaleAfter is the age of a series' newest point at which the series ends, and how far back the first query reaches.
	StaleAfter time.Duration `mapstructure:"stale_after"`
	// Storage is the storage extension that keeps the watermarks over restarts. Nil keeps them in memory only.
	Storage *component.ID `mapstructure:"storage"`

	// Credentials is how the receiver signs its calls.
	Credentials CredentialsConfig `mapstructure:"credentials"`

	// RequestsPerSecond limits the calls of this receiver, retries and pages included.
	RequestsPerSecond float64 `mapstructure:"requests_per_second"`
	// MaxConcurrency limits the calls under way at once.
	MaxConcurrency int `mapstructure:"max_concurrency"`
	// Retry is how a failed call is repeated within a scrape.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
	// HTTP configures the connections to CloudMonitor.
	HTTP confighttp.ClientConfig `mapstructure:"http"`

	_ struct{} // prevents unkeyed literals
}

// Unmarshal decodes the section into cfg. It rejects unknown keys first: confighttp ignores them, and a mistyped proxy or
// CA must not go unnoticed.
func (cfg *Config) Unmarshal(conf *confmap.Conf) error {
	if err := checkKeys(conf.ToStringMap(), reflect.TypeFor[Config]()); err != nil {
		return err
	}
	return conf.Unmarshal(cfg)
}

// problems are the errors of a configuration. Each begins with the full path of its key.
type problems []error

func (p *problems) failf(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// check adds an error unless ok.
func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		p.failf(format, args...)
	}
}

// Validate returns everything that is wrong with the receiver's own keys in one error. It checks the nested sections, too,
// because confmap would prefix only the first line of their errors with the path. retry_on_failure and http::tls validate
// themselves.
func (cfg *Config) Validate() error {
	var p problems
	cfg.validateSource(&p)
	cfg.validateTimes(&p)
	// Written so that NaN is rejected, too.
	p.check(cfg.RequestsPerSecond > 0 && cfg.RequestsPerSecond <= accountRequestLimit,
		"requests_per_second: must be above 0 and at most %d, the limit of the account, not %v", accountRequestLimit, cfg.RequestsPerSecond)
	p.check(cfg.MaxConcurrency >= 1 && cfg.MaxConcurrency <= maxConcurrencyLimit,
		"max_concurrency: must be from 1 to %d, not %d", maxConcurrencyLimit, cfg.MaxConcurrency)
	validateMatches(&p, "consumer_groups::include", cfg.ConsumerGroups.Include)
	validateMatches(&p, "consumer_groups::exclude", cfg.ConsumerGroups.Exclude)
	p = append(p, cfg.Credentials.Problems()...)
	p = append(p, alicloud.HTTPProblems(&cfg.HTTP)...)
	p.check(len(cfg.sources()) > 0, "metrics: at least one metric must be enabled")
	return errors.Join(p...)
}

func (cfg *Config) validateSource(p *problems) {
	*p = append(*p, alicloud.ServiceProblems(cfg.Region, cfg.Network, cfg.Endpoint)...)
	for i, id := range cfg.Instances {
		valid := instancePattern.MatchString(id)
		p.check(valid, "instances: entry %d must be an instance ID of letters, digits, - and _, such as alikafka_post-cn-abc, not %q", i, id)
		p.check(!valid || slices.Index(cfg.Instances, id) == i, "instances: entry %d, %q, is listed before; remove one of the two", i, id)
	}
}

func (cfg *Config) validateTimes(p *problems) {
	for _, d := range []struct {
		key          string
		value, least time.Duration
	}{
		{"collection_interval", cfg.CollectionInterval, shortestTime},
		{"initial_delay", cfg.InitialDelay, 0},
		{"timeout", cfg.Timeout, shortestTime},
		{"http::timeout", cfg.HTTP.Timeout, 0},
		{"http::http2_read_idle_timeout", cfg.HTTP.HTTP2ReadIdleTimeout, 0},
		{"http::http2_ping_timeout", cfg.HTTP.HTTP2PingTimeout, 0},
	} {
		p.check(d.value >= d.least, "%s: must be at least %s, not %s", d.key, d.least, d.value)
	}
	if wait := cfg.Retry.InitialInterval; cfg.Retry.Enabled && wait >= 0 { // configretry rejects a negative one
		p.check(wait >= shortestWait, "retry_on_failure::initial_interval: must be at least %s, not %s", shortestWait, wait)
	}
	period, longest := cfg.Period, maxQuerySpan
	if period == secondPeriod {
		longest = secondRetention
	} else if period < time.Minute || period%time.Minute != 0 {
		p.failf("period: must be 15s or a multiple of 60s, not %s", period)
		period = 0 // an invalid period cannot bound the spans
	}
	for _, span := range []struct {
		key   string
		value time.Duration
	}{{"max_backfill", cfg.MaxBackfill}, {"stale_after", cfg.StaleAfter}} {
		switch {
		case span.value <= 0:
			p.failf("%s: must be positive, not %s", span.key, span.value)
		case span.value < period:
			p.failf("%s: must be at least one period (%s), not %s", span.key, period, span.value)
		case span.value > longest:
			p.failf("%s: must be at most %s, which is as far back as CloudMonitor answers, not %s", span.key, longest, span.value)
		}
	}
}

// endpointURL returns the URL at which CloudMonitor is asked, without a trailing slash.
// Source: CloudMonitor, "Request methods": metrics.<region> on the Internet, cms-vpc.<region> in a VPC.
func (cfg *Config) endpointURL() string {
	switch {
	case cfg.Endpoint != "":
		return strings.TrimSuffix(cfg.Endpoint, "/")
	case cfg.Network == alicloud.NetworkVPC:
		return "https://cms-vpc." + cfg.Region + ".aliyuncs.com"
	default:
		return "https://metrics." + cfg.Region + ".aliyuncs.com"
	}
}

// sources returns the CloudMonitor metrics behind the enabled metrics.
func (cfg *Config) sources() []string {
	var ids []string
	if cfg.MetricsBuilder.Metrics.KafkaConsumerMessageAccumulation.Enabled {
		ids = append(ids, cms.MetricAccumulation)
	}
	if cfg.MetricsBuilder.Metrics.KafkaConsumerTopicMessageAccumulation.Enabled {
		ids = append(ids, cms.MetricTopicAccumulation)
	}
	return ids
}
