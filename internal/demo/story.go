package main

import (
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

// namespace is where the consumers of the story would run.
const namespace = "shop"

// consumer is a consumer group of the ladder's story, and the Deployment that would consume for it.
type consumer struct {
	group, deployment string
	minimum, maximum  int32 // of its autoscaler; 0 without one
	lag               []cmssim.LagAt
	stuck             bool // as AliKafka sees it
}

// replicas is how many pods each Deployment has.
const replicas = 2

// consumers is a story of two minutes for the threshold, the period and the check_interval of
// collector-config/demo-ladder.yaml. It is the same wherever in the story the quarters of a minute
// are at which there are points, and if the collector takes up to ten seconds to start.
var consumers = []consumer{
	{
		// Is stuck, and climbs the whole ladder: no stage helps.
		group: "payment_docking_analog", deployment: "payment-consumer", stuck: true,
		lag: []cmssim.LagAt{{At: 0, Lag: 182_000}, {At: 10 * time.Minute, Lag: 900_000}},
	},
	{
		// Is only slow, so it is not restarted. Rises through two checks, and has recovered at the third.
		group: "orders_docking_analog", deployment: "orders-consumer", minimum: 2, maximum: 6,
		lag: []cmssim.LagAt{
			{At: 0, Lag: 155_000},
			{At: 65 * time.Second, Lag: 240_000},
			{At: 85 * time.Second, Lag: 90_000},
			{At: 110 * time.Second, Lag: 1_200},
		},
	},
	{
		// Is high at the second check, but falls fast enough to be drained before the third.
		group: "export_docking_analog", deployment: "export-consumer",
		lag: []cmssim.LagAt{
			{At: 0, Lag: 2_000},
			{At: 13 * time.Second, Lag: 2_000},
			{At: 15 * time.Second, Lag: 900_000},
			{At: 75 * time.Second, Lag: 0},
		},
	},
	{
		group: "audit_docking_analog", deployment: "audit-consumer",
		lag: []cmssim.LagAt{{At: 0, Lag: 0}},
	},
}

// ladderStory is the scenario of the consumers.
func ladderStory() cmssim.Scenario {
	instance := cmssim.Instance{ID: "alikafka_post-cn-orders000001"}
	for _, c := range consumers {
		group := cmssim.Group{Name: c.group, Lag: c.lag}
		if c.stuck {
			group.Consumer = cmssim.ConsumerStuck
		}
		instance.Groups = append(instance.Groups, group)
	}
	// The real service needs about a minute to publish.
	return cmssim.Scenario{PublicationDelay: time.Second, Instances: []cmssim.Instance{instance}}
}
