package aliyunkafkalagreceiver

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

func TestInstanceClaimsOverlap(t *testing.T) {
	const base = "region: cn-hangzhou\ncredentials: {access_key_id: a, access_key_secret: b}\n"
	tests := []struct {
		name          string
		first, second string
		want          []string
	}{
		{"all and all", base, base, []string{"aliyunkafkalag/first: all instances"}},
		{"all and some", base, base + "instances: [x, y]", []string{"aliyunkafkalag/first: x, y"}},
		{"some and all", base + "instances: [x, y]", base, []string{"aliyunkafkalag/first: x, y"}},
		{"some in common", base + "instances: [x, y, z]", base + "instances: [z, y, w]", []string{"aliyunkafkalag/first: z, y"}},
		{"none in common", base + "instances: [x]", base + "instances: [y]", nil},
		{"other settings", base, base + "period: 300s\nconsumer_groups: {include: [{strict: a}]}", []string{"aliyunkafkalag/first: all instances"}},
		{"the same endpoint in two ways", base + "network: vpc", base + "endpoint: https://cms-vpc.cn-hangzhou.aliyuncs.com/", []string{"aliyunkafkalag/first: all instances"}},
		{"other region", base + "endpoint: http://localhost:1", "region: cn-beijing\nendpoint: http://localhost:1\ncredentials: {access_key_id: a, access_key_secret: b}", nil},
		{"other network", base, base + "network: vpc", nil},
		{"other account", base, "region: cn-hangzhou\ncredentials: {access_key_id: c, access_key_secret: b}", nil},
		{"the same account in two ways", base, "region: cn-hangzhou\ncredentials: {type: access_key, access_key_id: ' a', access_key_secret: b}", []string{"aliyunkafkalag/first: all instances"}},
		{
			"other metric", base,
			base + "metrics: {kafka.consumer.message_accumulation: {enabled: false}, kafka.consumer.topic.message_accumulation: {enabled: true}}", nil,
		},
		{"one metric in common", base, base + "metrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}", []string{"aliyunkafkalag/first: all instances"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var claims instanceClaims
			overlaps, _ := claims.claim(component.NewIDWithName(metadata.Type, "first"), configFromYAML(t, tt.first))
			assert.Empty(t, overlaps)
			overlaps, _ = claims.claim(component.NewIDWithName(metadata.Type, "second"), configFromYAML(t, tt.second))
			assert.Equal(t, tt.want, overlaps)
		})
	}
}

func TestInstanceClaimsRelease(t *testing.T) {
	var claims instanceClaims
	claim := func(name string) (overlaps []string, release func()) {
		return claims.claim(component.NewIDWithName(metadata.Type, name), configFromYAML(t, "region: cn-hangzhou"))
	}
	_, releaseA := claim("a")
	overlaps, releaseB := claim("b")
	assert.Equal(t, []string{"aliyunkafkalag/a: all instances"}, overlaps)
	overlaps, releaseC := claim("c")
	assert.Equal(t, []string{"aliyunkafkalag/a: all instances", "aliyunkafkalag/b: all instances"}, overlaps)

	releaseA()
	releaseA() // a second time does nothing
	overlaps, releaseAgain := claim("a")
	assert.Equal(t, []string{"aliyunkafkalag/b: all instances", "aliyunkafkalag/c: all instances"}, overlaps)
	for _, release := range []func(){releaseB, releaseC, releaseAgain} {
		release()
	}
	assert.Empty(t, claims.claims)
}

func TestInstanceClaimsAreSafeForConcurrentUse(t *testing.T) {
	var claims instanceClaims
	cfg := configFromYAML(t, "region: cn-hangzhou")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, release := claims.claim(component.NewID(metadata.Type), cfg)
			release()
		})
	}
	group.Wait()
	assert.Empty(t, claims.claims)
}
