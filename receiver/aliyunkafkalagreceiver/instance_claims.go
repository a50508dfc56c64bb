package aliyunkafkalagreceiver

import (
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/component"
)

// instanceClaims knows which receivers of one collector read which instances. Two that read the same ones send each sample
// twice. The zero value is ready to use, and it is safe for concurrent use.
type instanceClaims struct {
	mu     sync.Mutex
	claims []*instanceClaim
}

type instanceClaim struct {
	id  component.ID
	cfg *Config
}

// claim registers that receiver id reads what cfg says, until release is called. It returns a text for each receiver that
// reads some of the same, with its ID and the instances, such as "aliyunkafkalag/b: alikafka_post-cn-abc".
func (c *instanceClaims) claim(id component.ID, cfg *Config) (overlaps []string, release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.claims {
		if shared := sharedInstances(cfg, other.cfg); len(shared) > 0 {
			overlaps = append(overlaps, other.id.String()+": "+strings.Join(shared, ", "))
		}
	}
	own := &instanceClaim{id, cfg}
	c.claims = append(c.claims, own)
	return overlaps, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.claims = slices.DeleteFunc(c.claims, func(o *instanceClaim) bool { return o == own })
	}
}

// sharedInstances returns the instances of which both read the same metric of the same account, or "all instances".
// Whether their consumer groups are disjoint cannot be seen from patterns.
func sharedInstances(a, b *Config) []string {
	switch {
	case a.Region != b.Region, a.endpointURL() != b.endpointURL(), a.Credentials.Settings() != b.Credentials.Settings(),
		len(common(a.sources(), b.sources())) == 0:
		return nil
	case len(a.Instances) > 0 && len(b.Instances) > 0:
		return common(a.Instances, b.Instances)
	case len(a.Instances)+len(b.Instances) > 0:
		return slices.Concat(a.Instances, b.Instances) // one of them reads all
	default:
		return []string{"all instances"}
	}
}

func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}
