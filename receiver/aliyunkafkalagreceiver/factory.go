package aliyunkafkalagreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// NewFactory is the factory of the aliyunkafkalag receiver.
func NewFactory() receiver.Factory {
	claims := &instanceClaims{}
	create := func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
		return newReceiver(cfg.(*Config), set, next, cms.NewClient, claims)
	}
	return receiver.NewFactory(metadata.Type, createDefaultConfig, receiver.WithMetrics(create, metadata.MetricsStability))
}

func createDefaultConfig() component.Config {
	httpClient := confighttp.NewDefaultClientConfig()
	httpClient.Timeout = 10 * time.Second
	// Without these a connection that dies silently is used until TCP gives it up, after a quarter of an hour.
	httpClient.HTTP2ReadIdleTimeout = 10 * time.Second
	httpClient.HTTP2PingTimeout = 5 * time.Second

	retry := configretry.NewDefaultBackOffConfig()
	retry.InitialInterval, retry.MaxInterval, retry.MaxElapsedTime = time.Second, 10*time.Second, 30*time.Second

	return &Config{
		MetricsBuilder:     metadata.NewDefaultMetricsBuilderConfig(),
		CollectionInterval: time.Minute,
		InitialDelay:       time.Second,
		Timeout:            45 * time.Second,
		Network:            alicloud.NetworkPublic,
		Period:             time.Minute,
		MaxBackfill:        time.Hour,
		StaleAfter:         10 * time.Minute,
		Credentials:        CredentialsConfig{Type: string(alicloud.CredentialDefault)},
		RequestsPerSecond:  10,
		MaxConcurrency:     4,
		Retry:              retry,
		HTTP:               httpClient,
	}
}
