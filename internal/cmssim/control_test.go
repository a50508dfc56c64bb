package cmssim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// control sends a request to the control API.
func (s *simulator) control(method, path, body string) (status int, reply map[string]any) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.Control().ServeHTTP(w, httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body)))
	data, err := io.ReadAll(w.Body)
	require.NoError(s.t, err)
	_ = json.Unmarshal(data, &reply)
	return w.Code, reply
}

func TestControl(t *testing.T) {
	s := startYAML(t, oneGroup)
	do := func(method, path, body string) {
		t.Helper()
		status, reply := s.control(method, path, body)
		require.Equal(t, http.StatusOK, status, reply)
		require.Equal(t, s.Now().Format(time.RFC3339), reply["now"])
	}

	do("POST", "/sim/faults", `{"kind":"throttled","times":1,"match":"a"}`)
	status, _ := s.lastTwo()
	assert.Equal(t, 400, status)
	do("POST", "/sim/faults", `{"kind":"throttled"}`)
	do("DELETE", "/sim/faults", "")
	status, _ = s.lastTwo()
	assert.Equal(t, 200, status)

	do("POST", "/sim/clock", `{"offset":"-20m"}`)
	assert.Equal(t, testStart.Add(-20*time.Minute), s.Now())
	do("POST", "/sim/clock", `{"offset":"2m"}`)

	do("POST", "/sim/points", `{"points":[{"timestamp":"2023-11-14T23:00:30Z","instance_id":"b","consumer_group":"h","statistics":{"Value":3}}]}`)
	assert.Equal(t, map[string][]string{"g": {"0=7", "1=7", "2=7"}, "h": {"0.5=3"}}, s.points(s.params("StartTime", unixMilli(-1))))

	status, reply := s.control("GET", "/sim/requests", "")
	assert.Equal(t, http.StatusOK, status)
	assert.InDelta(t, 3, reply["total"], 0)
	requests, ok := reply["requests"].([]any)
	require.True(t, ok)
	require.Len(t, requests, 3)
	assert.Equal(t, map[string]any{
		"time": "2023-11-14T23:00:00Z", "action": "DescribeMetricList", "metric": "message_accumulation",
		"period_seconds": 60.0, "start": "2023-11-14T22:58:00Z", "end": "2023-11-14T23:00:00Z", "length": 1440.0,
		"fault": "throttled", "outcome": "Throttling.User",
	}, requests[0])
}

func TestControlRejects(t *testing.T) {
	tests := []struct{ path, body, want string }{
		{"/sim/faults", `{"kind":"sulk"}`, `kind "sulk" is not a fault`},
		{"/sim/faults", `{"kind":"hang","time":1}`, `unknown field "time"`},
		{"/sim/faults", ``, "EOF"},
		{"/sim/points", `{"points":[{"instance_id":"a"}]}`, "points[0]: timestamp is missing"},
		{"/sim/points", `[]`, "json: cannot unmarshal"},
		{"/sim/consumers", `{"instance_id":"a","consumer_group":"g","consumer":"dead"}`, `consumer: "dead" is not stuck`},
		{"/sim/consumers", `{"instance_id":"a","consumer_group":"h"}`, `neither the scenario nor an added point has the group "h" in instance "a"`},
		{"/sim/clock", `{}`, `offset: time: invalid duration ""; it is`},
		{"/sim/clock", `{"offset":"soon"}`, `invalid duration "soon"`},
		{"/sim/clock", `{"advance":"1m"}`, `unknown field "advance"`},
	}
	s := startYAML(t, oneGroup)
	for _, tt := range tests {
		status, reply := s.control("POST", tt.path, tt.body)
		assert.Equal(t, http.StatusBadRequest, status, tt.body)
		assert.Contains(t, reply["error"], tt.want)
	}
	status, _ := s.control("GET", "/sim/nothing", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, _ = s.control("GET", "/sim/faults", "")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
}
