package cmssim

import "time"

// Scenario describes consumer groups and their lag over time. Times count from the server's start, lag is in messages.
type Scenario struct {
	// AccountID is the userId of every point, a default when empty.
	AccountID string `yaml:"account_id"`
	// PublicationDelay is how long after its timestamp a point becomes visible; the real service needs about a minute.
	PublicationDelay time.Duration `yaml:"publication_delay"`
	Instances        []Instance    `yaml:"instances"`
	// Generate adds instances, for load.
	Generate *Generate `yaml:"generate"`
}

// Instance is a Kafka instance.
type Instance struct {
	ID     string  `yaml:"id"`
	Groups []Group `yaml:"groups"`
}

// Group is a consumer group: one series of message_accumulation. It has either a lag of its own, or topics, which
// are series of message_accumulation_onetopic and whose sum is the lag of the group.
type Group struct {
	Name string `yaml:"name"`
	// ExtraPublicationDelay comes on top of the scenario's, for a group that is published later than others.
	ExtraPublicationDelay time.Duration `yaml:"extra_publication_delay"`
	// Start is when the group appears; 0 means that it was always there.
	Start time.Duration `yaml:"start"`
	// End is when it disappears; 0 means never.
	End    time.Duration `yaml:"end"`
	Lag    []LagAt       `yaml:"lag"`
	Repeat bool          `yaml:"repeat"` // Lag starts again after its last entry
	Topics []Topic       `yaml:"topics"`
}

// Topic is a topic that a group consumes.
type Topic struct {
	Name   string  `yaml:"name"`
	Lag    []LagAt `yaml:"lag"`
	Repeat bool    `yaml:"repeat"` // Lag starts again after its last entry
}

// LagAt is the lag at a time. Between two of them it changes linearly, before the first and after the last it stays.
type LagAt struct {
	At  time.Duration `yaml:"at"`
	Lag float64       `yaml:"lag"`
}

// Generate describes instances alikafka_post-cn-generated-0000, -0001, … with the groups group_0000, group_0001, ….
// The lag of each group is constant: its number, counted over all instances from 0.
type Generate struct {
	Instances         int `yaml:"instances"`
	GroupsPerInstance int `yaml:"groups_per_instance"`
}

const (
	defaultAccountID  = "1000000000000001"
	generatedInstance = "alikafka_post-cn-generated-"
)

// all returns the instances that are listed and those that are generated.
func (sc Scenario) all() []Instance {
	instances := sc.Instances[:len(sc.Instances):len(sc.Instances)]
	if sc.Generate == nil {
		return instances
	}
	for i := range sc.Generate.Instances {
		in := Instance{ID: generatedInstance + padded(i)}
		for g := range sc.Generate.GroupsPerInstance {
			lag := float64(i*sc.Generate.GroupsPerInstance + g)
			in.Groups = append(in.Groups, Group{Name: "group_" + padded(g), Lag: []LagAt{{Lag: lag}}})
		}
		instances = append(instances, in)
	}
	return instances
}
