package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

var update = flag.Bool("update", false, "write the files instead of comparing them")

// variable finds what differs from run to run: the port, ages and request IDs.
var variable = map[string]*regexp.Regexp{
	"http://cloudmonitor": regexp.MustCompile(`http://127\.0\.0\.1:\d+`),
	"${1}AGE":             regexp.MustCompile(`( {2})\d+m\d+s`),
	`"age_seconds": AGE`:  regexp.MustCompile(`"age_seconds": \d+`),
	"REQUEST":             regexp.MustCompile(`[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}`),
}

// TestGolden compares the whole output with the files in testdata. Write them with
//
//	go test ./cmd/lagcheck -run TestGolden -update
func TestGolden(t *testing.T) {
	for name, tt := range map[string]struct {
		keys   string
		fault  cmssim.Fault
		old    bool // all points are older than stale_after
		groups int  // further groups with the same lag
		code   int
	}{
		"all-well":          {code: exitOK},
		"many-groups":       {keys: ", consumer_groups: {exclude: [{regexp: '.*[05]'}]}", groups: 20, code: exitOK},
		"no-permission":     {fault: cmssim.Fault{Kind: cmssim.FaultNoPermission}, code: exitFailed},
		"no-instance":       {keys: ", instances: [alikafka_z]", code: exitFailed},
		"rejected-instance": {keys: ", instances: [alikafka_a, alikafka_z]", fault: cmssim.Fault{Kind: cmssim.FaultResourceNotFound, Match: "alikafka_z"}, code: exitFailed},
		"old-points":        {old: true, code: exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			var cms *cmssim.Server
			config := ""
			if tt.old {
				cms, config = serve(t, tt.keys)
				publish(t, cms, time.Now().Add(-15*time.Minute))
			} else {
				cms, config = start(t, tt.keys)
			}
			for i := range tt.groups {
				require.NoError(t, cms.AddPoints(cmssim.Point{
					Timestamp: time.Now().Truncate(time.Minute).Add(-2 * time.Minute), InstanceID: fmt.Sprintf("alikafka_%c", 'c'-i%3),
					ConsumerGroup: fmt.Sprintf("group_%02d", tt.groups-i), Statistics: map[string]float64{"Value": 7},
				}))
			}
			if tt.fault.Kind != "" {
				require.NoError(t, cms.InjectFault(tt.fault))
			}
			for _, output := range []string{"text", "json"} {
				code, out, problems := lagcheck("--config", config, "--output", output)
				assert.Equal(t, tt.code, code, problems)
				assert.NotContains(t, out, cmssim.AccessKeySecret)
				compare(t, name+"."+output, out)
			}
		})
	}
}

// compare compares output with a file in testdata, or writes the file.
func compare(t *testing.T, name, output string) {
	t.Helper()
	for by, pattern := range variable {
		output = pattern.ReplaceAllString(output, by)
	}
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(output), 0o600))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), output, "run: go test ./cmd/lagcheck -run TestGolden -update")
}
