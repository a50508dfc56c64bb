package aliyunkafkalagreceiver

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
)

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

// suggestKey returns the path of the key that is most likely meant by the unknown key name in the section at path, or ""
// if none looks like it. fields are the keys of that section, which win over equally similar keys elsewhere, and known the
// paths of all keys.
func suggestKey(path, name string, fields map[string]reflect.Type, known []string) string {
	name = fold(name)
	if key := cmp.Or(synonyms[join(fold(path), name)], synonyms[name]); key != "" {
		return key
	}
	var siblings []string
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		siblings = append(siblings, join(path, field))
	}
	best, least := "", (len(name)+2)/4+1
	for _, key := range append(siblings, known...) {
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
