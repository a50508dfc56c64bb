package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver"
)

// fromEnvironment is the configuration without a file, as the shipped files have it.
const fromEnvironment = "yaml:receivers: {aliyunkafkalag: {region: \"${env:REGION}\", instances: \"${env:KAFKA_INSTANCES:-[]}\"}}"

// configured is a receiver of the configuration.
type configured struct {
	id     component.ID
	config *aliyunkafkalagreceiver.Config
}

// load reads the receivers of this type from the configuration, in the order of their names. Other components are ignored.
func load(ctx context.Context, files []string) (receivers []configured, err error) {
	if len(files) == 0 {
		files = []string{fromEnvironment}
	}
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: files, DefaultScheme: "env",
		ProviderFactories: []confmap.ProviderFactory{envprovider.NewFactory(), fileprovider.NewFactory(), yamlprovider.NewFactory()},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resolver.Shutdown(ctx)) }()
	conf, err := resolver.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	section, err := conf.Sub("receivers")
	if err != nil {
		return nil, err
	}
	factory := aliyunkafkalagreceiver.NewFactory()
	for key := range section.ToStringMap() {
		var id component.ID
		if err := id.UnmarshalText([]byte(key)); err != nil || id.Type() != factory.Type() {
			continue
		}
		config := factory.CreateDefaultConfig().(*aliyunkafkalagreceiver.Config)
		sub, err := section.Sub(key)
		if err == nil {
			err = sub.Unmarshal(config)
		}
		if err == nil {
			err = confmap.Validate(config)
		}
		if err != nil {
			return nil, fmt.Errorf("receivers::%s: %w", key, err)
		}
		receivers = append(receivers, configured{id, config})
	}
	if len(receivers) == 0 {
		return nil, errors.New("the configuration has no receiver of the type aliyunkafkalag")
	}
	slices.SortFunc(receivers, func(a, b configured) int { return strings.Compare(a.id.String(), b.id.String()) })
	return receivers, nil
}
