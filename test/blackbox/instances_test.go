package blackbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestOneBadInstance: an instance that makes calls fail costs none of its neighbours.
func TestOneBadInstance(t *testing.T) {
	t.Parallel()
	for _, kind := range []cmssim.FaultKind{cmssim.FaultNoPermission, cmssim.FaultResourceNotFound} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			cms := harness.StartCMS(t, cmssim.Scenario{})
			ids, bad := publishInstances(cms, 60), instanceID(17)
			require.NoError(t, cms.InjectFault(cmssim.Fault{Kind: kind, Match: bad}))
			c := harness.StartPage(t, cms, harness.Quick, ids)
			for _, series := range c.Await(59) {
				assert.NotContains(t, series, bad)
			}
			c.AwaitScrapes(3)
			assert.Equal(t, 1, c.CountLog("error", "CloudMonitor rejects calls that name this instance", bad), c.Log())
			assert.Equal(t, 1, c.CountLog(bad), "named once")
		})
	}
}

// TestTwoReceiversOfTheSameInstances are warned about, since each sample would be sent twice.
func TestTwoReceiversOfTheSameInstances(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, other string
		warnings    int
	}{
		{"one in common", "[shared, c]", 1},
		{"the other reads all", "[]", 1},
		{"none in common", "[c]", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cms := harness.StartCMS(t, cmssim.Scenario{})
			c := harness.StartPage(t, cms, harness.Once+`
    instances: [a, shared]
  aliyunkafkalag/other: {region: cn-hangzhou, endpoint: '`+cms.URL+`', instances: `+tt.other+`}
service: {pipelines: {metrics: {receivers: [aliyunkafkalag, aliyunkafkalag/other]}}}
`)
			assert.Equal(t, tt.warnings, c.CountLog("warn", "read the same instances"), c.Log())
			if tt.warnings > 0 {
				assert.Equal(t, 1, c.CountLog("read the same instances", "shared"))
			}
		})
	}
}
