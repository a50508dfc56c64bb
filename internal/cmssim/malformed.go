package cmssim

import (
	"strconv"
	"strings"
	"time"
)

// MalformedGroupPrefix starts the consumerGroup of the points of FaultMalformedPoints, as far as they have one. What comes
// after it says what is wrong. Only the group with "string_number" has something to tell: the value 42, as a string.
const MalformedGroupPrefix = "malformed_"

// malformedPoints are points with every mistake, for the end of the window of a query.
func (s *Server) malformedPoints(q query) []string {
	instance := generatedInstance + padded(0)
	if ids := q.instances(); len(ids) > 0 {
		instance = ids[0]
	}
	topic := ""
	if q.metric == MetricTopicAccumulation {
		topic = "malformed"
	}
	end := strconv.FormatInt(q.end.Truncate(q.period).UnixMilli(), 10)
	future := strconv.FormatInt(s.Now().Truncate(q.period).Add(time.Hour).UnixMilli(), 10)
	point := func(mistake, timestamp, value string) string {
		id := newIdentity(s.store.accountID, instance, MalformedGroupPrefix+mistake, topic)
		return `{"timestamp":` + timestamp + id.json + `,"Value":` + value + `}`
	}
	return []string{
		"null",
		"7",
		`"text"`,
		"[]",
		"{}",
		point("value_is_text", end, `"many"`),
		point("value_is_an_object", end, "{}"),
		point("value_is_true", end, "true"),
		point("value_is_null", end, "null"),
		point("nan", end, `"NaN"`),
		point("negative", end, "-1"),
		point("infinite", end, "1e999"),
		point("string_number", end, `"42"`),
		point("timestamp_is_text", `"yesterday"`, "1"),
		point("timestamp_is_negative", "-60000", "1"),
		point("timestamp_in_the_future", future, "1"),
		strings.Replace(point("no_timestamp", end, "1"), `"timestamp":`+end+",", "", 1),
		strings.Replace(point("no_value", end, "1"), `,"Value":1`, "", 1),
		strings.Replace(point("no_instance", end, "1"), `,"instanceId":`+quote(instance), "", 1),
		strings.Replace(point("no_group", end, "1"), `,"consumerGroup":"`+MalformedGroupPrefix+`no_group"`, "", 1),
		strings.Replace(point("group_is_a_number", end, "1"), `"`+MalformedGroupPrefix+`group_is_a_number"`, "7", 1),
	}
}

// mix puts an element of b before every element of a, as long as there are some, and the others at the end.
func mix(a, b []string) []string {
	mixed := make([]string, 0, len(a)+len(b))
	for i, x := range a {
		if i < len(b) {
			mixed = append(mixed, b[i])
		}
		mixed = append(mixed, x)
	}
	if len(a) < len(b) {
		mixed = append(mixed, b[len(a):]...)
	}
	return mixed
}

func twice(points []string) []string {
	doubled := make([]string, 0, 2*len(points))
	for _, p := range points {
		doubled = append(doubled, p, p)
	}
	return doubled
}
