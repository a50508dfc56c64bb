package aliyunkafkalagreceiver

import (
	"regexp"
	"strings"

	"go.opentelemetry.io/collector/filter"
)

// GroupFilterConfig chooses consumer groups by name. An empty Include takes all groups; Exclude wins over Include.
type GroupFilterConfig struct {
	Include []GroupMatchConfig `mapstructure:"include"`
	Exclude []GroupMatchConfig `mapstructure:"exclude"`

	_ struct{} // prevents unkeyed literals
}

// GroupMatchConfig is a filter.Config, either strict or regexp, without its Validate method: the errors here show the
// pattern and use the names of the keys.
type GroupMatchConfig filter.Config

func validateMatches(p *problems, key string, entries []GroupMatchConfig) {
	for i, entry := range entries {
		if (entry.Strict == "") == (entry.Regex == "") {
			p.failf("%s: entry %d must have either strict or regexp, not strict %q and regexp %q", key, i, entry.Strict, entry.Regex)
		} else if _, err := regexp.Compile(entry.Regex); err != nil {
			p.failf("%s: entry %d: regexp %q is not valid: %s; the syntax is that of Go, where .* stands for any text",
				key, i, entry.Regex, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
}

// matcher returns a function that reports whether to emit a consumer group. It panics if the configuration is not valid.
func (c *GroupFilterConfig) matcher() func(consumerGroup string) bool {
	include, exclude := filterOf(c.Include), filterOf(c.Exclude)
	all := len(c.Include) == 0
	return func(group string) bool {
		return (all || include.Matches(group)) && !exclude.Matches(group)
	}
}

func filterOf(entries []GroupMatchConfig) filter.Filter {
	configs := make([]filter.Config, len(entries))
	for i, entry := range entries {
		configs[i] = filter.Config(entry)
	}
	return filter.CreateFilter(configs)
}
