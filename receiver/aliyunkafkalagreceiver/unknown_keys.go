package aliyunkafkalagreceiver

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// unknownKeys are the keys of a section that a configuration struct has no field for. It
// follows structs, and takes what is below a field of another type as known.
func unknownKeys(section map[string]any, t reflect.Type, path string) []string {
	fields := taggedFields(t)
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(section)) {
		field, known := fields[key]
		if !known {
			unknown = append(unknown, path+"::"+key)
			continue
		}
		if sub, ok := section[key].(map[string]any); ok && len(taggedFields(field)) > 0 {
			unknown = append(unknown, unknownKeys(sub, field, path+"::"+key)...)
		}
	}
	return unknown
}

// taggedFields are the types of a struct's fields by their mapstructure name.
func taggedFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	if t.Kind() != reflect.Struct {
		return fields
	}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("mapstructure"), ",")
		switch {
		case strings.Contains(options, "squash"):
			maps.Copy(fields, taggedFields(t.Field(i).Type))
		case name != "":
			fields[name] = t.Field(i).Type
		}
	}
	return fields
}
