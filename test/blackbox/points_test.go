package blackbox

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestCloudMonitorIsLate: 7 minutes are no reason to go without a number, by the shipped stale_after.
func TestCloudMonitorIsLate(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{
		PublicationDelay: 7 * time.Minute,
		Instances:        []cmssim.Instance{{ID: "i", Groups: []cmssim.Group{{Name: "orders", Lag: []cmssim.LagAt{{Lag: 7}}}}}},
	})
	c := harness.StartPage(t, cms, harness.Quick)
	assert.Equal(t, []string{harness.Lag("i", "orders", 7)}, c.Await(1))
	age := c.Telemetry("newest_point_age")
	assert.Greater(t, age, (7 * time.Minute).Seconds())
	c.AwaitScrapes(3)
	assert.Len(t, c.Series(), 1, "no stale marker")
}

// TestNumbersThatAreNone: the values that JSON does not have cost only their own points.
func TestNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	at := time.Now().Add(-time.Minute)
	cms.Publish("i", "before", at, 1)
	for group, value := range map[string]float64{"nan": math.NaN(), "infinity": math.Inf(1), "minus_infinity": math.Inf(-1)} {
		cms.Publish("i", group, at, value)
	}
	cms.Publish("i", "after", at, 2)
	c := harness.StartPage(t, cms, harness.Once)
	assert.ElementsMatch(t, []string{harness.Lag("i", "before", 1), harness.Lag("i", "after", 2)}, c.Await(2))
	assert.InDelta(t, 3, c.Telemetry("points_dropped", `reason="not_finite"`), 0)
	assert.Equal(t, 1, c.CountLog("Dropped points", "not_finite"), "logged once")
}

// TestAddedDimension: a series that is split by a dimension nobody knows yet.
func TestAddedDimension(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	c := harness.StartPage(t, cms, harness.Quick)
	for value := 1; value <= 3; value++ {
		// In this order, so that neither the first nor the last is always the larger.
		publishSplit(t, cms, value*100, value*100+1, value)
		cms.Publish("i", "whole", time.Now(), float64(value))
		c.AwaitValue("i", "split", float64(value*100+1))
		c.AwaitValue("i", "whole", float64(value))
	}
	assert.Equal(t, 1, c.CountLog("several values of one series", "i/split"))
	assert.Zero(t, c.CountLog("several values of one series", "i/whole"))
}

// publishSplit publishes points of one group at one timestamp that differ in a dimension.
func publishSplit(t *testing.T, cms *harness.CMS, values ...int) {
	t.Helper()
	now := time.Now().Truncate(time.Millisecond)
	points := make([]cmssim.Point, len(values))
	for i, value := range values {
		points[i] = cmssim.Point{
			Timestamp: now, InstanceID: "i", ConsumerGroup: "split",
			Raw: fmt.Sprintf(`{"timestamp":%d,"userId":"1000000000000001","instanceId":"i","consumerGroup":"split","brokerId":"%d","Value":%d}`,
				now.UnixMilli(), i, value),
		}
	}
	require.NoError(t, cms.AddPoints(points...))
}

// TestManyGroupsAndLittleTime: what there is no time for is given up, the present is not.
func TestManyGroupsAndLittleTime(t *testing.T) {
	t.Parallel()
	const groups = 3000
	cms := harness.StartCMS(t, cmssim.Scenario{
		PublicationDelay: time.Minute,
		Generate:         cmssim.Generate{Instances: 30, GroupsPerInstance: groups / 30},
	})
	c := harness.StartPage(t, cms, `
receivers: {aliyunkafkalag: {collection_interval: 10s, initial_delay: 0s, period: 15s, timeout: 5s, requests_per_second: 2}}
`)
	c.Await(groups)
	// Two mostly. Three were seen, too: it depends on when in a period the start is.
	assert.LessOrEqual(t, c.Telemetry("scrape_duration_count"), 3.0)
}
