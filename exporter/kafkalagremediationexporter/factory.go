package kafkalagremediationexporter

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadata"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
)

// NewFactory is the factory of the kafkalagremediation exporter.
func NewFactory() exporter.Factory {
	create := func(_ context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
		return newExporter(cfg.(*Config), set)
	}
	return exporter.NewFactory(metadata.Type, createDefaultConfig, exporter.WithMetrics(create, metadata.MetricsStability))
}

func createDefaultConfig() component.Config {
	webhook := confighttp.NewDefaultClientConfig()
	webhook.Timeout = 10 * time.Second
	kafka := confighttp.NewDefaultClientConfig()
	kafka.Timeout = 10 * time.Second
	return &Config{
		DryRun:         true,
		Threshold:      150_000,
		CheckInterval:  10 * time.Minute,
		UnlessDraining: true,
		NoDataAfter:    15 * time.Minute,
		Stages: []StageConfig{
			{Restart: &struct{}{}}, {ScaleUp: &ScaleUpConfig{Replicas: 2}}, {Notify: &struct{}{}},
		},
		MaxActionsPerHour: 10,
		MaxTargetsAtOnce:  3,
		AliKafka: AliKafkaConfig{
			Network:     alicloud.NetworkPublic,
			Wait:        time.Minute,
			Credentials: alicloud.CredentialsConfig{Type: string(alicloud.CredentialDefault)},
			HTTP:        kafka,
		},
		LeaderElection: configoptional.Default(LeaderElectionConfig{Lease: "kafkalagremediation"}),
		Notifications: NotificationsConfig{
			Language: languageChinese,
			DingTalk: configoptional.None[DingTalkConfig](),
			Webhook:  configoptional.Default(webhook),
		},
	}
}
