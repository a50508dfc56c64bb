package aliyunkafkalagreceiver

import (
	"cmp"
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
	keys := slices.Sorted(maps.Keys(fields))
	for _, name := range slices.Sorted(maps.Keys(section)) {
		key := join(path, name)
		if t, known := fields[name]; known {
			c.value(key, section[name], t)
		} else if key == "lookback" {
			c.failf("lookback: no longer exists, remove it; the first query reaches back to stale_after")
		} else if other := c.suggest(path, name, keys); other != "" {
			c.failf("%s: unknown key; did you mean %s?", key, other)
		} else {
			c.failf("%s: unknown key; the keys here are %s", key, strings.Join(keys, ", "))
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

func join(path, name string) string { return strings.TrimPrefix(path+"::"+name, "::") }

// synonyms are the keys that people mean by names which do not look like them, by the folded name or path.
var synonyms = map[string]string{
	"ak":                     "credentials::access_key_id",
	"backfill":               "max_backfill",
	"concurrency":            "max_concurrency",
	"consumergroups::regex":  "consumer_groups::include::0::regexp",
	"consumergroups::regexp": "consumer_groups::include::0::regexp",
	"consumergroups::strict": "consumer_groups::include::0::strict",
	"group":                  "consumer_groups",
	"groups":                 "consumer_groups",
	"interval":               "collection_interval",
	"proxy":                  "http::proxy_url",
	"qps":                    "requests_per_second",
	"retry":                  "retry_on_failure",
	"secretaccesskey":        "credentials::access_key_secret",
	"secretkey":              "credentials::access_key_secret",
	"sk":                     "credentials::access_key_secret",
	"targetinstanceid":       "instances",
}

// suggest returns the path of the key that is most likely meant by the unknown key name in the section at path, or "" if
// none looks like it. siblings are the keys of that section, which win over equally similar keys elsewhere.
func (c *keyChecker) suggest(path, name string, siblings []string) string {
	name = fold(name)
	if key := cmp.Or(synonyms[join(fold(path), name)], synonyms[name]); key != "" {
		return key
	}
	var candidates []string
	for _, sibling := range siblings {
		candidates = append(candidates, join(path, sibling))
	}
	best, least := "", (len(name)+2)/4+1
	for _, key := range append(candidates, c.known...) {
		last := key[strings.LastIndex(key, ":")+1:]
		if d := editDistance(name, fold(last)); d < least {
			best, least = key, d
		}
	}
	return best
}

// knownPaths returns the paths of all keys below a configuration struct, the shortest first.
func knownPaths(path string, t reflect.Type) []string {
	var paths []string
	fields := taggedFields(t)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		key, field := join(path, name), fields[name]
		paths = append(paths, key)
		if field.Kind() == reflect.Slice {
			key, field = join(key, "0"), field.Elem()
		}
		paths = append(paths, knownPaths(key, field)...)
	}
	slices.SortStableFunc(paths, func(a, b string) int {
		return cmp.Compare(strings.Count(a, "::"), strings.Count(b, "::"))
	})
	return paths
}

// fold returns a key without what people write differently: case and separators.
func fold(key string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key))
}

// editDistance returns the number of characters to insert, delete or replace between a and b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // the distances of the part of a seen so far to each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			best := min(diagonal, row[j], row[j+1]) + 1
			if a[i] == b[j] {
				best = diagonal
			}
			diagonal, row[j+1] = row[j+1], best
		}
	}
	return row[len(b)]
}
