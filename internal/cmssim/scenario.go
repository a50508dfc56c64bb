package cmssim

import (
	"errors"
	"fmt"
	"time"
)

// Scenario describes consumer groups and their lag over time. Times count from the server's start, lag is in messages.
type Scenario struct {
	// PublicationDelay is how long after its timestamp a point becomes visible; the real service needs about a minute.
	PublicationDelay time.Duration `yaml:"publication_delay"`
	Instances        []Instance    `yaml:"instances"`
	// Generate adds instances, for load.
	Generate Generate `yaml:"generate"`
}

// Instance is a Kafka instance.
type Instance struct {
	ID     string  `yaml:"id"`
	Groups []Group `yaml:"groups"`
}

// Group is a consumer group: one series of message_accumulation. It has either a lag of its own or topics, each of which is
// a series of message_accumulation_onetopic. The lag of a group with topics is the sum of theirs.
type Group struct {
	Name string `yaml:"name"`
	// ExtraPublicationDelay is added to the scenario's, for a group that is published later than others.
	ExtraPublicationDelay time.Duration `yaml:"extra_publication_delay"`
	// Start is when the group appears; 0 means that it was always there.
	Start time.Duration `yaml:"start"`
	// End is when it disappears; 0 means never.
	End time.Duration `yaml:"end"`
	// Consumer is "stuck" if the group reads nothing, so that its offsets stand still; empty if it reads. The lag of a group
	// that is stuck must not fall.
	Consumer string  `yaml:"consumer"`
	Lag      []LagAt `yaml:"lag"`
	Repeat   bool    `yaml:"repeat"` // Lag starts again after its last entry
	Topics   []Topic `yaml:"topics"`
}

// Topic is a topic that a group consumes.
type Topic struct {
	Name   string  `yaml:"name"`
	Lag    []LagAt `yaml:"lag"`
	Repeat bool    `yaml:"repeat"` // Lag starts again after its last entry
}

// LagAt is the lag at a time. Between two of them the lag changes linearly; before the first and after the last it stays.
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
	// accountID is the userId of every point.
	accountID = "1000000000000001"
	// maxGenerated is how many groups a scenario may generate.
	maxGenerated = 100_000
	// maxLag is the largest lag: whole numbers up to it are exact.
	maxLag = 1 << 53
)

// all returns the instances that are listed and those that are generated.
func (sc Scenario) all() []Instance {
	instances := sc.Instances[:len(sc.Instances):len(sc.Instances)]
	for i := range sc.Generate.Instances {
		in := Instance{ID: fmt.Sprintf("alikafka_post-cn-generated-%04d", i)}
		for g := range sc.Generate.GroupsPerInstance {
			lag := float64(i*sc.Generate.GroupsPerInstance + g)
			in.Groups = append(in.Groups, Group{Name: fmt.Sprintf("group_%04d", g), Lag: []LagAt{{Lag: lag}}})
		}
		instances = append(instances, in)
	}
	return instances
}

// validate returns an error that names every value that the simulator cannot work with.
func (sc Scenario) validate() error {
	var p problems
	g := sc.Generate
	p.check(min(g.Instances, g.GroupsPerInstance) >= 0 && max(g.Instances, g.GroupsPerInstance) <= maxGenerated &&
		g.Instances*g.GroupsPerInstance <= maxGenerated, "generate: %d instances with %d groups each are not 0 to %d groups",
		g.Instances, g.GroupsPerInstance, maxGenerated)
	for _, in := range sc.Instances {
		p.checkName("instance", in.ID)
		for _, g := range in.Groups {
			path := fmt.Sprintf("instance %q, group %q", in.ID, g.Name)
			p.checkName(path, g.Name)
			p.check(g.Consumer == "" || g.Consumer == ConsumerStuck, "%s, consumer: %q is not %s", path, g.Consumer, ConsumerStuck)
			if len(g.Topics) == 0 {
				p.checkCurve(path, g.Lag, g.Repeat)
			}
			for _, t := range g.Topics {
				p.check(len(g.Lag) == 0, "%s, lag: the lag of a group with topics is the sum of theirs; remove it", path)
				p.checkName(path+", topic", t.Name)
				p.checkCurve(fmt.Sprintf("%s, topic %q", path, t.Name), t.Lag, t.Repeat)
			}
		}
	}
	return errors.Join(p...)
}

// problems are what is wrong with a scenario.
type problems []error

func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

func (p *problems) checkName(path, name string) {
	p.check(name != "" && len(name) <= maxDimensionBytes, "%s: the name %q has to have 1 to %d bytes", path, name, maxDimensionBytes)
}

func (p *problems) checkCurve(path string, lag []LagAt, repeat bool) {
	p.check(len(lag) > 0, "%s, lag: it is empty; give at least {at: 0s, lag: 0}", path)
	p.check(!repeat || len(lag) > 1, "%s, repeat: it needs a lag with two entries or more", path)
	last := time.Duration(-time.Millisecond)
	for _, l := range lag {
		p.check(l.At.Milliseconds() > last.Milliseconds(),
			"%s, at: %v is negative, or not after the entry before", path, l.At)
		p.check(l.Lag >= 0 && l.Lag <= maxLag, "%s, lag: %v is not a number of messages, 0 to 2^53", path, l.Lag)
		last = l.At
	}
}
