package kafkalagremediationexporter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

func TestTargets(t *testing.T) {
	all := newTargets([]TargetConfig{
		{GroupRegexp: `^(\w+)_docking_analog$`, Namespace: "docking", Deployment: "$1-consumer"},
		{GroupRegexp: `^(?P<team>\w+)\.(\w+)$`, Namespace: "$team", StatefulSet: "${2}s"},
		{GroupRegexp: "orders", Namespace: "shop", Deployment: "any-orders"},
		{GroupRegexp: "orders", Namespace: "shop", Deployment: "never"},
		{GroupRegexp: "^refunds$", InstanceID: "b", Namespace: "shop", Deployment: "refunds-of-b"},
		{Group: "cust_docking_analog", Namespace: "shop", Deployment: "special"},
		{Group: "orders", InstanceID: "b", Namespace: "shop", Deployment: "orders-of-b"},
	})
	for _, tt := range []struct {
		name, instance, group string
		want                  cluster.Target // zero: none
	}{
		{"a capture group", "a", "abc_docking_analog", cluster.Target{Namespace: "docking", Kind: cluster.Deployment, Name: "abc-consumer"}},
		{"the regexp has to match", "a", "abc_docking_analog_test", cluster.Target{}},
		{"named and numbered capture groups", "a", "pay.order", cluster.Target{Namespace: "pay", Kind: cluster.StatefulSet, Name: "orders"}},
		{"names before regexps", "a", "cust_docking_analog", deployment("special")},
		{"the first regexp counts", "a", "old-orders", deployment("any-orders")},
		{"the instance", "b", "orders", deployment("orders-of-b")},
		{"another instance", "a", "orders", deployment("any-orders")},
		{"the instance of a regexp", "b", "refunds", deployment("refunds-of-b")},
		{"another than that of the regexp", "a", "refunds", cluster.Target{}},
		{"none", "a", "other", cluster.Target{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, found := all.of(ladder.Series{Instance: tt.instance, Group: tt.group})
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.want != cluster.Target{}, found)
		})
	}
}

func TestMissing(t *testing.T) {
	all := newTargets([]TargetConfig{
		{Group: "a", Namespace: "shop", Deployment: "a"}, {Group: "b", Namespace: "shop", Deployment: "b"}, {GroupRegexp: "c", Namespace: "shop", Deployment: "c"},
	})
	known := []ladder.Lag{{Group: "a", Value: 1, At: time.Unix(1, 0)}}
	lags := map[cluster.Target][]ladder.Lag{deployment("a"): known}
	all.missing(lags)
	assert.Equal(t, map[cluster.Target][]ladder.Lag{deployment("a"): known, deployment("b"): {{Group: "b"}}}, lags)
}
