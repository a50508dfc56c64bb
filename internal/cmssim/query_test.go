package cmssim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func instanceList(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"instanceId":"i-%d"}`, i))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestLimits(t *testing.T) {
	end := testStart.UnixMilli()
	ms := func(d time.Duration) string { return strconv.FormatInt(end-d.Milliseconds(), 10) }
	const day = 24 * time.Hour
	tests := map[string]struct {
		changes []string
		status  int // 0 is accepted
		message string
	}{
		"no Namespace":          {changes: []string{"Namespace", ""}, status: 404, message: `Namespace "" is not acs_kafka`},
		"other Namespace":       {changes: []string{"Namespace", "acs_ecs"}, status: 404, message: `Namespace "acs_ecs" is not acs_kafka`},
		"no MetricName":         {changes: []string{"MetricName", ""}, status: 404, message: "MetricName"},
		"other MetricName":      {changes: []string{"MetricName", "instance_disk_capacity"}, status: 404, message: "instance_disk_capacity"},
		"topic metric":          {changes: []string{"MetricName", MetricTopicAccumulation}},
		"unknown parameter":     {changes: []string{"Dimension", "[]"}, status: 400, message: `Dimension "[]" is invalid: the parameters are Namespace, `},
		"RegionId":              {changes: []string{"RegionId", "cn-hangzhou"}},
		"no Period":             {changes: []string{"Period", ""}},
		"Period 15":             {changes: []string{"Period", "15"}},
		"Period 300":            {changes: []string{"Period", "300"}},
		"Period 30":             {changes: []string{"Period", "30"}, status: 400, message: `Period "30" is invalid: it is 15 or a multiple of 60`},
		"Period 0":              {changes: []string{"Period", "0"}, status: 400, message: "Period"},
		"Period -60":            {changes: []string{"Period", "-60"}, status: 400, message: "Period"},
		"Period with a unit":    {changes: []string{"Period", "60s"}, status: 400, message: "Period"},
		"Period overflow":       {changes: []string{"Period", "9223372036854775800"}, status: 400, message: "Period"},
		"no StartTime":          {changes: []string{"StartTime", ""}, status: 400, message: `StartTime "" is invalid: it is a unix time in milliseconds`},
		"no EndTime":            {changes: []string{"EndTime", ""}, status: 400, message: `EndTime "" is invalid: it is a unix time in milliseconds`},
		"seconds":               {changes: []string{"StartTime", "1700000000"}, status: 400, message: "unix time in milliseconds"},
		"microseconds":          {changes: []string{"EndTime", "1700000000000000"}, status: 400, message: "unix time in milliseconds"},
		"date":                  {changes: []string{"StartTime", "2023-11-14 22:00:00"}, status: 400, message: "whole number"},
		"Start is End":          {changes: []string{"StartTime", ms(0)}, status: 400, message: "before EndTime"},
		"Start after End":       {changes: []string{"StartTime", ms(-time.Minute)}, status: 400, message: "before EndTime"},
		"31 days":               {changes: []string{"StartTime", ms(31 * day)}},
		"more than 31 days":     {changes: []string{"StartTime", ms(31*day + time.Millisecond)}, status: 400, message: "at most 31 days"},
		"no Length":             {changes: []string{"Length", ""}},
		"Length 1":              {changes: []string{"Length", "1"}},
		"Length 0":              {changes: []string{"Length", "0"}, status: 400, message: `Length "0" is invalid: it is 1 to 1440`},
		"Length 1441":           {changes: []string{"Length", "1441"}, status: 400, message: `Length "1441" is invalid: it is 1 to 1440`},
		"Length as text":        {changes: []string{"Length", "many"}, status: 400, message: "Length"},
		"50 instances":          {changes: []string{"Dimensions", instanceList(50)}},
		"51 instances":          {changes: []string{"Dimensions", instanceList(51)}, status: 400, message: "51 objects, allowed are 1 to 50"},
		"one object":            {changes: []string{"Dimensions", ` {"instanceId":"i","userId":"` + accountID + `"}`}},
		"no instance":           {changes: []string{"Dimensions", "[]"}, status: 400, message: "0 objects"},
		"empty object":          {changes: []string{"Dimensions", "[{}]"}, status: 400, message: "empty"},
		"null":                  {changes: []string{"Dimensions", "[null]"}, status: 400, message: "empty"},
		"not JSON":              {changes: []string{"Dimensions", "instanceId=i"}, status: 400, message: "not a JSON array of objects"},
		"not text":              {changes: []string{"Dimensions", `[{"instanceId":7}]`}, status: 400, message: "not a JSON array of objects"},
		"two values":            {changes: []string{"Dimensions", instanceList(1) + instanceList(1)}, status: 400, message: "not a JSON array of objects"},
		"other dimension":       {changes: []string{"Dimensions", `[{"clusterId":"c"}]`}, status: 400, message: `"clusterId" is not a dimension`},
		"topic, wrong metric":   {changes: []string{"Dimensions", `[{"topic":"t"}]`}, status: 400, message: `"topic" is not a dimension of message_accumulation`},
		"topic, right metric":   {changes: []string{"MetricName", MetricTopicAccumulation, "Dimensions", `[{"topic":"t"}]`}},
		"long value":            {changes: []string{"Dimensions", `[{"instanceId":"` + strings.Repeat("x", 65) + `"}]`}, status: 400, message: "65 bytes"},
		"empty value":           {changes: []string{"Dimensions", `[{"instanceId":""}]`}, status: 400, message: "0 bytes"},
		"other account":         {changes: []string{"Dimensions", `[{"userId":"7"}]`}, status: 400, message: `userId "7" is not the account`},
		"NextToken of no query": {changes: []string{"NextToken", "abc"}, status: 400, message: `NextToken "abc" is invalid`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{})
			params := s.params(tt.changes...)
			if tt.status == 0 {
				assert.Empty(t, s.page(params).points(t))
				return
			}
			status, e := s.refusal(s.request(t.Context(), params, "", nil))
			assert.Equal(t, tt.status, status)
			assert.Equal(t, map[int]string{400: "ParameterInvalid", 404: "ResourceNotFound"}[tt.status], e["Code"])
			assert.Contains(t, e["Message"], tt.message)
		})
	}
}

func TestReply(t *testing.T) {
	s := startYAML(t, "generate: {instances: 1, groups_per_instance: 1}")
	p := s.page(s.params())
	assert.Equal(t, true, p.Success)
	assert.Equal(t, "200", p.Code)
	assert.Equal(t, "60", p.Period)
	assert.NotEmpty(t, p.RequestID)
	status, body := s.ask(s.params("StartTime", strconv.FormatInt(testStart.UnixMilli()-1, 10)))
	assert.Equal(t, http.StatusOK, status)
	assert.NotContains(t, body, "NextToken")
	assert.Contains(t, body, `"Datapoints":"[{\"timestamp\":1700002800000,\"userId\":\"1000000000000001\",`+
		`\"instanceId\":\"alikafka_post-cn-generated-0000\",\"consumerGroup\":\"group_0000\",\"Value\":0}]"`)
}

func FuzzDimensions(f *testing.F) {
	f.Add(`[{"instanceId":"i"}]`)
	f.Add(`{"instanceId":"i","consumerGroup":"g","topic":"t"}`)
	f.Add(`[{"userId":"1000000000000001"},null]`)
	f.Add(`{}]`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseDimensions(text, MetricTopicAccumulation)
		if err != nil {
			return
		}
		require.NotEmpty(t, list)
		require.LessOrEqual(t, len(list), maxDimensions)
		for _, d := range list {
			require.NotEmpty(t, d)
		}
	})
}

func FuzzToken(f *testing.F) {
	q := query{metric: MetricAccumulation, period: time.Minute, start: testStart.Add(-time.Hour), end: testStart, length: 1}
	f.Add(cursor{asOf: 1, offset: 3}.token(q))
	f.Add("")
	s, err := New(Options{Scenario: Scenario{Generate: Generate{Instances: 1, GroupsPerInstance: 1}}})
	require.NoError(f, err)
	f.Fuzz(func(_ *testing.T, token string) {
		q.nextToken = token
		q.cursor, _ = parseToken(token, q)
		s.page(q, "")
	})
}
