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

// checkKeys returns, in one error, the keys of a section that the configuration struct t has
// no field for, and the values that are written in a way that the decoder either rejects with
// a poor message or misunderstands. Each error has the full path of its key.
func checkKeys(section map[string]any, t reflect.Type) error {
	c := keyChecker{known: knownPaths("", t)}
	c.section("", section, taggedFields(t))
	return errors.Join(c.errs...)
}

type keyChecker struct {
	known []string // the paths of all keys, to suggest from
	errs  []error
}

func (c *keyChecker) failf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
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
	fields := taggedFields(t)
	switch {
	case value == nil: // nothing is written, so nothing is written badly
	case t == reflect.TypeFor[time.Duration]():
		c.duration(key, value)
	case t.Kind() == reflect.Slice:
		c.list(key, value, t.Elem())
	case len(fields) > 0:
		if section, ok := value.(map[string]any); ok {
			c.section(key, section, fields)
		}
	}
}

// duration checks a duration. The decoder takes a number for nanoseconds.
func (c *keyChecker) duration(key string, value any) {
	text := fmt.Sprint(value)
	if _, err := time.ParseDuration(text); err == nil {
		return
	}
	if _, err := time.ParseDuration(text + "s"); err == nil {
		c.failf("%s: needs a unit: write %ss, not %s", key, text, text)
		return
	}
	c.failf("%s: must be a duration such as 60s, 5m or 1h30m, not %q", key, text)
}

// list checks a list of sections. Lists of plain values are left to the decoder.
func (c *keyChecker) list(key string, value any, entry reflect.Type) {
	fields := taggedFields(entry)
	_, matches := fields["strict"]
	list, _ := value.([]any)
	if matches && reflect.TypeOf(value).Kind() != reflect.Slice {
		c.failf("%s: must be a list: write %s", key, matchEntry("[{%s: %s}]", value))
	}
	for i, v := range list {
		if section, ok := v.(map[string]any); ok && len(fields) > 0 {
			c.section(join(key, strconv.Itoa(i)), section, fields)
		} else if matches {
			c.failf("%s: entry %d must say how it matches: write %s", key, i, matchEntry("{%s: %s}", v))
		}
	}
}

// matchEntry returns how to write value as something that matches names. The format has a
// place for the key and one for the name.
func matchEntry(format string, value any) string {
	name, ok := value.(string)
	switch value.(type) {
	case nil, map[string]any:
		name = "name"
	default:
		if !ok || !instancePattern.MatchString(name) {
			name = strconv.Quote(fmt.Sprint(value)) // YAML could read it as something else
		}
	}
	return fmt.Sprintf(format+", or "+format+" if it is a pattern", "strict", name, "regexp", name)
}

// taggedFields returns the types of a struct's fields by their mapstructure name, and none for
// other types.
func taggedFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	if inner, ok := optional(t); ok {
		fields = taggedFields(inner)
		fields["enabled"] = reflect.TypeFor[bool]()
		return fields
	}
	if t.Kind() != reflect.Struct {
		return fields
	}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		switch {
		case strings.Contains(options, "squash"):
			maps.Copy(fields, taggedFields(field.Type))
		case name != "":
			fields[name] = field.Type
		}
	}
	return fields
}

// optional returns the T of a configoptional.Optional[T], which it knows by its method
// Get() *T, and reports whether t is one.
func optional(t reflect.Type) (reflect.Type, bool) {
	get, ok := reflect.PointerTo(t).MethodByName("Get")
	if !ok || get.Type.NumOut() != 1 || get.Type.Out(0).Kind() != reflect.Pointer {
		return nil, false
	}
	return get.Type.Out(0).Elem(), true
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "::" + name
}
