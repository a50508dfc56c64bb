package cmssim

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// maxGenerated bounds how many groups a scenario may generate.
	maxGenerated = 100_000
	// maxLag is the largest lag: whole numbers up to it are exact, and sums of it finite.
	maxLag = 1 << 53
	// maxDelay is the longest publication delay, as long as the longest window.
	maxDelay = maxWindow
)

// validLag reports whether lag is a number of messages.
func validLag(lag float64) bool {
	return lag >= 0 && lag <= maxLag // NaN is neither
}

// Validate returns an error that names every value that is wrong, by its path in the scenario.
func (sc Scenario) Validate() error {
	v := validator{}
	v.check(len(sc.AccountID) <= maxDimensionBytes, "account_id", "%q is longer than %d bytes", sc.AccountID, maxDimensionBytes)
	v.delay("publication_delay", sc.PublicationDelay)
	names := unique{}
	for i, in := range sc.Instances {
		path := fmt.Sprintf("instances[%d]", i)
		v.name(path+".id", in.ID, names)
		v.check(sc.Generate == nil || !strings.HasPrefix(in.ID, generatedInstance), path+".id",
			"%q may be generated as well, choose another", in.ID)
		v.groups(path, in.Groups)
	}
	v.generate(sc.Generate)
	return errors.Join(v.errs...)
}

type validator struct{ errs []error }

type unique map[string]struct{}

func (v *validator) check(ok bool, path, format string, args ...any) {
	if !ok {
		v.errs = append(v.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
}

func (v *validator) notNegative(path string, d time.Duration) {
	v.check(d >= 0, path, "%v is negative, use 0s or more", d)
}

func (v *validator) delay(path string, d time.Duration) {
	v.check(d >= 0 && d <= maxDelay, path, "%v is not within 0s to %v", d, maxDelay)
}

func (v *validator) name(path, name string, seen unique) {
	v.check(name != "" && len(name) <= maxDimensionBytes, path, "%q has to have 1 to %d bytes", name, maxDimensionBytes)
	_, again := seen[name]
	v.check(!again, path, "%q is there twice", name)
	seen[name] = struct{}{}
}

func (v *validator) groups(path string, groups []Group) {
	names := unique{}
	for i, g := range groups {
		path := fmt.Sprintf("%s.groups[%d]", path, i)
		v.name(path+".name", g.Name, names)
		v.delay(path+".extra_publication_delay", g.ExtraPublicationDelay)
		v.notNegative(path+".start", g.Start)
		v.check(g.End == 0 || g.End > g.Start, path+".end", "%v is not after start %v; 0s means never", g.End, g.Start)
		if len(g.Topics) == 0 {
			v.curve(path, g.Lag, g.Repeat)
			continue
		}
		v.check(len(g.Lag) == 0 && !g.Repeat, path+".lag", "the lag of a group with topics is their sum, give it to the topics")
		v.topics(path, g.Topics)
	}
}

func (v *validator) topics(path string, topics []Topic) {
	names := unique{}
	for i, t := range topics {
		path := fmt.Sprintf("%s.topics[%d]", path, i)
		v.name(path+".name", t.Name, names)
		v.curve(path, t.Lag, t.Repeat)
	}
}

func (v *validator) curve(path string, lag []LagAt, repeat bool) {
	v.check(len(lag) > 0, path+".lag", "it is empty, give at least {at: 0s, lag: 0}")
	v.check(!repeat || len(lag) > 1, path+".repeat", "true needs a lag with two entries or more")
	for i, p := range lag {
		path := fmt.Sprintf("%s.lag[%d]", path, i)
		v.notNegative(path+".at", p.At)
		v.check(p.At%time.Millisecond == 0, path+".at", "%v is not in whole milliseconds", p.At)
		v.check(validLag(p.Lag), path+".lag", "%v is not a number of messages, 0 to 2^53", p.Lag)
		v.check(i == 0 || p.At > lag[i-1].At, path+".at", "%v is not after the entry before", p.At)
	}
}

func (v *validator) generate(g *Generate) {
	if g == nil {
		return
	}
	v.check(g.Instances >= 1 && g.Instances <= maxGenerated, "generate.instances", "%d is not within 1 to %d", g.Instances, maxGenerated)
	v.check(g.GroupsPerInstance >= 1 && g.GroupsPerInstance <= maxGenerated, "generate.groups_per_instance",
		"%d is not within 1 to %d", g.GroupsPerInstance, maxGenerated)
	v.check(float64(g.Instances)*float64(g.GroupsPerInstance) <= maxGenerated, "generate",
		"%d instances with %d groups each are more than %d groups", g.Instances, g.GroupsPerInstance, maxGenerated)
}
