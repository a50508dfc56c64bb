package harness

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Prometheus is a running Prometheus with its receivers for remote write and OTLP on.
type Prometheus struct {
	*Process
	URL  string
	t    testing.TB
	args []string
}

// StartPrometheus starts Prometheus on an empty database.
func StartPrometheus(t testing.TB, configFile string, args ...string) *Prometheus {
	t.Helper()
	address := FreeAddress(t)
	p := &Prometheus{t: t, URL: "http://" + address}
	p.args = append([]string{
		"--config.file=" + configFile,
		"--storage.tsdb.path=" + filepath.Join(t.TempDir(), "data"),
		"--web.listen-address=" + address,
		"--web.enable-remote-write-receiver",
		"--web.enable-otlp-receiver",
		"--log.level=debug",
	}, args...)
	p.Start()
	return p
}

// Start starts a Prometheus that was stopped again, at the same address and with the same database.
func (p *Prometheus) Start() {
	p.t.Helper()
	p.Process = Start(p.t, Binary(p.t, "PROMETHEUS_BINARY", ".tools/prometheus", "prometheus"), nil, p.args...)
	Eventually(p.t, func() bool { return Get(p.t, p.URL+"/-/ready") != "" }, "Prometheus is ready")
}

// Sample is a value at a time in unix milliseconds.
type Sample struct {
	Timestamp int64
	Value     float64
}

// Series is a series with its labels, __name__ included.
type Series struct {
	Labels  map[string]string
	Samples []Sample
}

// Query evaluates an expression now. A range selector returns raw samples.
func (p *Prometheus) Query(expr string) []Series {
	p.t.Helper()
	var reply struct {
		Status string
		Error  string
		Data   struct {
			ResultType string
			Result     []struct {
				Metric map[string]string
				Value  promSample
				Values []promSample
			}
		}
	}
	body := Get(p.t, p.URL+"/api/v1/query?query="+url.QueryEscape(expr))
	require.NoError(p.t, json.Unmarshal([]byte(body), &reply), body)
	require.Equal(p.t, "success", reply.Status, reply.Error)
	var out []Series
	for _, r := range reply.Data.Result {
		s := Series{Labels: r.Metric}
		if reply.Data.ResultType == "vector" {
			r.Values = []promSample{r.Value}
		}
		for _, v := range r.Values {
			s.Samples = append(s.Samples, Sample(v))
		}
		out = append(out, s)
	}
	return out
}

// Scalar is the value of an expression that has one series, or 0 if it has none.
func (p *Prometheus) Scalar(expr string) float64 {
	p.t.Helper()
	series := p.Query(expr)
	if len(series) == 0 {
		return 0
	}
	require.Len(p.t, series, 1, expr)
	return series[0].Samples[0].Value
}

// promSample is [seconds, "value"].
type promSample Sample

func (s *promSample) UnmarshalJSON(b []byte) error {
	var seconds json.Number
	var value string
	if err := json.Unmarshal(b, &[]any{&seconds, &value}); err != nil {
		return err
	}
	at, err := seconds.Float64()
	if err != nil {
		return err
	}
	s.Timestamp = time.UnixMicro(int64(at * 1e6)).Round(time.Millisecond).UnixMilli()
	s.Value, err = strconv.ParseFloat(value, 64)
	return err
}

// Get is the body of a URL that answers 200, or "".
func Get(t testing.TB, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}
