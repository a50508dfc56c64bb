package blackbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

func TestMissingPermissionIsLoggedOnce(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	cms.Publish("i", "orders", time.Now(), 7)
	cms.Fail(cmssim.FaultNoPermission)
	c := harness.StartPage(t, cms, harness.Quick)
	cms.AwaitScrapes(5)
	assert.Equal(t, 1, c.CountLog("cms:QueryMetricList"), c.Log())
	assert.Equal(t, 1, c.CountLog("\terror\t"), c.Log())

	cms.ClearFaults()
	harness.Eventually(t, func() bool { return c.CountLog("CloudMonitor answers again") == 1 }, "recovery is logged")
}

func TestShutdownWithAHungAPI(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	cms.Fail(cmssim.FaultHang)
	c := harness.StartPage(t, cms, harness.Quick)
	harness.Eventually(t, func() bool { return cms.RequestCount() > 0 }, "a call hangs")
	took := c.Stop()
	assert.Less(t, took, 5*time.Second)
	assert.Zero(t, c.Wait())
}

func TestAnEndlessReplyIsRefused(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	require.NoError(t, cms.InjectFault(cmssim.Fault{Kind: cmssim.FaultOversizedBody, Times: 3}))
	cms.Publish("i", "orders", time.Now().Add(-time.Minute), 7)
	c := harness.StartPage(t, cms, harness.Quick)
	c.Await(1)
	assert.Equal(t, 1, c.CountLog("reply over 8 MiB"))
	// The limit of the process's memory is far above what a bounded read takes.
	page := harness.Lines(harness.Get(t, c.TelemetryURL), "otelcol_process_memory_rss")
	require.Len(t, page, 1)
	var rss float64
	_, err := fmt.Sscanf(page[0][strings.LastIndex(page[0], " ")+1:], "%g", &rss)
	require.NoError(t, err)
	assert.Less(t, rss, 500e6)
}
