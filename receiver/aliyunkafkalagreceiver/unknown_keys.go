package aliyunkafkalagreceiver

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkKeys returns, in one error, the keys of a section that the configuration struct t has no field for, and the values
// that are written in a way that the decoder either rejects with a poor message or misunderstands.
func checkKeys(section map[string]any, t reflect.Type) error {
	c := keyChecker{known: knownPaths("", t)}
	c.section("", section, taggedFields(t))
	return errors.Join(c.problems...)
}

type keyChecker struct {
	problems
	known []string // the paths of all keys, to suggest from
}

func (c *keyChecker) section(path string, section map[string]any, fields map[string]reflect.Type) {
	for _, name := range slices.Sorted(maps.Keys(section)) {
		key := join(path, name)
		if t, known := fields[name]; known {
			c.value(key, section[name], t)
		} else if key == "lookback" {
			c.failf("lookback: no longer exists, remove it; the first query reaches back to stale_after")
		} else if other := suggestKey(path, name, fields, c.known); other != "" {
			c.failf("%s: unknown key; did you mean %s?", key, other)
		} else {
			c.failf("%s: unknown key; the keys here are %s", key, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
	}
}

func (c *keyChecker) value(key string, value any, t reflect.Type) {
	section, isSection := value.(map[string]any)
	switch {
	case value == nil: // nothing is written, so nothing is written badly
	case t == reflect.TypeFor[time.Duration]():
		c.duration(key, fmt.Sprint(value))
	case t.Kind() == reflect.Slice:
		c.list(key, value, taggedFields(t.Elem()))
	case isSection:
		if fields := taggedFields(t); len(fields) > 0 {
			c.section(key, section, fields)
		}
	}
}

// duration checks a duration. The decoder takes a number for nanoseconds.
func (c *keyChecker) duration(key, text string) {
	if _, err := time.ParseDuration(text); err == nil {
		return
	}
	_, err := time.ParseDuration(text + "s")
	c.check(err != nil, "%s: needs a unit: write %ss, not %s", key, text, text)
	c.check(err == nil, "%s: must be a duration such as 60s, 5m or 1h30m, not %q", key, text)
}

// list checks a list of sections with the given fields. Lists of plain values are left to the decoder.
func (c *keyChecker) list(key string, value any, fields map[string]reflect.Type) {
	_, matches := fields["strict"]
	if matches && reflect.TypeOf(value).Kind() != reflect.Slice {
		c.failf("%s: must be a list: write %s", key, matchEntry("[{%s: %s}]", value))
	}
	list, _ := value.([]any)
	for i, v := range list {
		if section, ok := v.(map[string]any); ok && len(fields) > 0 {
			c.section(join(key, strconv.Itoa(i)), section, fields)
		} else if matches {
			c.failf("%s: entry %d must say how it matches: write %s", key, i, matchEntry("{%s: %s}", v))
		}
	}
}

// matchEntry returns how to write value as something that matches names. The format has a place for the key and one for
// the name.
func matchEntry(format string, value any) string {
	name := fmt.Sprint(value)
	if _, isSection := value.(map[string]any); isSection || value == nil {
		name = "name"
	} else if _, isText := value.(string); !isText || !instancePattern.MatchString(name) {
		name = strconv.Quote(name) // YAML could read it as something else
	}
	return fmt.Sprintf(format+", or "+format+" if it is a pattern", "strict", name, "regexp", name)
}

// taggedFields returns the types of a struct's fields by their mapstructure name, and none for other types.
func taggedFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	if strings.HasPrefix(t.Name(), "Optional[") { // a configoptional.Optional, whose method Get returns a pointer
		get, _ := reflect.PointerTo(t).MethodByName("Get")
		fields = taggedFields(get.Type.Out(0).Elem())
		fields["enabled"] = reflect.TypeFor[bool]()
		return fields
	}
	if t.Kind() != reflect.Struct {
		return fields
	}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		if strings.Contains(options, "squash") {
			maps.Copy(fields, taggedFields(field.Type))
		} else if name != "" {
			fields[name] = field.Type
		}
	}
	return fields
}

func join(path, name string) string {
	return strings.TrimPrefix(path+"::"+name, "::")
}
