package aliyunkafkalagreceiver

import (
	"fmt"
	"regexp"
	"strings"

	"go.opentelemetry.io/collector/filter"
)

// GroupFilterConfig chooses consumer groups by name. An empty Include takes all groups;
// Exclude wins over Include.
type GroupFilterConfig struct {
	Include []GroupMatchConfig `mapstructure:"include"`
	Exclude []GroupMatchConfig `mapstructure:"exclude"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// GroupMatchConfig is a filter.Config, either strict or regexp, without its Validate method:
// the errors here show the pattern and use the names of the keys.
type GroupMatchConfig filter.Config

// validate returns what is wrong with the entries, each error with the full path of its key.
func (c *GroupFilterConfig) validate() []error {
	return append(
		validateMatches("consumer_groups::include", c.Include),
		validateMatches("consumer_groups::exclude", c.Exclude)...,
	)
}

func validateMatches(key string, entries []GroupMatchConfig) []error {
	var errs []error
	for i, entry := range entries {
		if (entry.Strict == "") == (entry.Regex == "") {
			errs = append(errs, fmt.Errorf("%s: entry %d must have either strict or regexp, not strict %q and regexp %q", key, i, entry.Strict, entry.Regex))
		} else if _, err := regexp.Compile(entry.Regex); err != nil {
			errs = append(errs, fmt.Errorf("%s: entry %d: regexp %q is not valid: %s; the syntax is that of Go, where .* stands for any text",
				key, i, entry.Regex, strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
		}
	}
	return errs
}

// matcher returns a function that reports whether to emit a consumer group. It must not be
// called before the configuration was validated.
func (c *GroupFilterConfig) matcher() func(consumerGroup string) bool {
	include, exclude := filter.CreateFilter(filterConfigs(c.Include)), filter.CreateFilter(filterConfigs(c.Exclude))
	all := len(c.Include) == 0
	return func(group string) bool {
		return (all || include.Matches(group)) && !exclude.Matches(group)
	}
}

func filterConfigs(entries []GroupMatchConfig) []filter.Config {
	configs := make([]filter.Config, len(entries))
	for i, entry := range entries {
		configs[i] = filter.Config(entry)
	}
	return configs
}
