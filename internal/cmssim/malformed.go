package cmssim

import (
	"fmt"
	"strings"
	"time"
)

// malformedPoints returns points with every mistake, at the end of the window of a query. The consumerGroup names the mistake.
// Only "string_number" can be understood: its value is 42.
func (s *Server) malformedPoints(q query) []string {
	id := newIdentity(accountID, "alikafka_post-cn-malformed", "GROUP", "")
	if ids := q.instances(); len(ids) > 0 {
		id = newIdentity(accountID, ids[0], "GROUP", "")
	}
	if q.metric == MetricTopicAccumulation {
		id.json += `,"topic":"malformed"`
	}
	end := q.end.Truncate(q.period).UnixMilli()
	future := s.Now().Truncate(q.period).Add(time.Hour).UnixMilli()
	good := id.point(end, `,"Value":1`)
	timestamp := fmt.Sprintf(`"timestamp":%d`, end)

	points := []string{"null", "7", `"text"`, "[]", "{}"}
	for _, mistake := range []struct{ group, good, bad string }{
		{"value_is_text", `"Value":1`, `"Value":"many"`},
		{"value_is_an_object", `"Value":1`, `"Value":{}`},
		{"value_is_true", `"Value":1`, `"Value":true`},
		{"value_is_null", `"Value":1`, `"Value":null`},
		{"nan", `"Value":1`, `"Value":NaN`},
		{"infinity", `"Value":1`, `"Value":-Infinity`},
		{"too_large", `"Value":1`, `"Value":1e999`},
		{"negative", `"Value":1`, `"Value":-1`},
		{"string_number", `"Value":1`, `"Value":"42"`},
		{"no_value", `,"Value":1`, ``},
		{"timestamp_is_text", timestamp, `"timestamp":"yesterday"`},
		{"timestamp_is_negative", timestamp, `"timestamp":-60000`},
		{"timestamp_in_the_future", timestamp, fmt.Sprintf(`"timestamp":%d`, future)},
		{"no_timestamp", timestamp + `,`, ``},
		{"no_instance", `,"instanceId":` + quote(id.instanceID), ``},
		{"no_group", `,"consumerGroup":"GROUP"`, ``},
		{"group_is_a_number", `"GROUP"`, `7`},
	} {
		point := strings.Replace(good, mistake.good, mistake.bad, 1)
		points = append(points, strings.Replace(point, "GROUP", "malformed_"+mistake.group, 1))
	}
	return points
}

// interleave returns the elements of a and b in turns, and at the end those that are left of the longer one.
func interleave(a, b []string) []string {
	var mixed []string
	for i := range max(len(a), len(b)) {
		mixed = append(mixed, a[min(i, len(a)):min(i+1, len(a))]...)
		mixed = append(mixed, b[min(i, len(b)):min(i+1, len(b))]...)
	}
	return mixed
}
