package kafkalagremediationexporter

import (
	"regexp"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// targets finds the workload of a group.
type targets struct {
	named   []TargetConfig
	matched []matchedTarget
}

type matchedTarget struct {
	TargetConfig
	pattern *regexp.Regexp
}

func newTargets(all []TargetConfig) *targets {
	t := &targets{}
	for _, c := range all {
		if c.Group != "" {
			t.named = append(t.named, c)
		} else {
			t.matched = append(t.matched, matchedTarget{c, regexp.MustCompile(c.GroupRegexp)}) // Validate has compiled it
		}
	}
	return t
}

// of returns the target of a group, and false if it has none.
func (t *targets) of(s ladder.Series) (cluster.Target, bool) {
	for _, c := range t.named {
		if c.Group == s.Group && c.serves(s.Instance) {
			return c.target(func(text string) string { return text }), true
		}
	}
	for _, c := range t.matched {
		if match := c.pattern.FindStringSubmatchIndex(s.Group); match != nil && c.serves(s.Instance) {
			return c.target(func(text string) string {
				return string(c.pattern.ExpandString(nil, text, s.Group, match))
			}), true
		}
	}
	return cluster.Target{}, false
}

func (c *TargetConfig) serves(instance string) bool {
	return c.InstanceID == "" || c.InstanceID == instance
}

func (c *TargetConfig) target(expand func(string) string) cluster.Target {
	t := cluster.Target{Namespace: expand(c.Namespace), Kind: cluster.Deployment, Name: expand(c.Deployment)}
	if c.StatefulSet != "" {
		t.Kind, t.Name = cluster.StatefulSet, expand(c.StatefulSet)
	}
	return t
}

// missing adds the groups that are configured by name and never had a lag, so that a record from before a restart is not
// forgotten. A collector that gets no lag at all, such as one in standby, knows nothing of them.
func (t *targets) missing(lags map[cluster.Target][]ladder.Lag) {
	for _, c := range t.named {
		target := c.target(func(text string) string { return text })
		if _, known := lags[target]; !known {
			lags[target] = []ladder.Lag{{Group: c.Group}}
		}
	}
}
