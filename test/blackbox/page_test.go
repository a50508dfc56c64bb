// Package blackbox tests the collector that was built, from outside.
package blackbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestScrapePage: prometheus-scrape.yaml serves the name and the labels of the well-known
// exporter, and nothing else.
func TestScrapePage(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	now := time.Now()
	cms.Publish("alikafka_post-cn-a", "orders", now.Add(-time.Minute), 120000)
	cms.Publish("alikafka_post-cn-b", "orders", now.Add(-time.Minute), 0)
	c := harness.StartPage(t, cms, harness.Quick)
	assert.ElementsMatch(t, []string{
		`kafka_consumer_message_accumulation{consumer_group="orders",instance_id="alikafka_post-cn-a"} 120000`,
		`kafka_consumer_message_accumulation{consumer_group="orders",instance_id="alikafka_post-cn-b"} 0`,
	}, c.Await(2))
	for line := range strings.Lines(harness.Get(t, c.URL)) {
		assert.True(t, strings.HasPrefix(line, "#") || strings.HasPrefix(line, "kafka_"), line)
	}
}

// TestScrapePageDropsGroupsThatDisappear: two groups disappear at harness.Once, a third goes on.
func TestScrapePageDropsGroupsThatDisappear(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	for _, group := range []string{"gone1", "gone2", "going_on"} {
		cms.Publish("i", group, time.Now(), 1)
	}
	c := harness.StartPage(t, cms, harness.Quick+"    stale_after: 15s\n")
	c.Await(3)
	harness.Eventually(t, func() bool {
		cms.Publish("i", "going_on", time.Now(), 2)
		return len(c.Series()) == 1
	}, "those that disappeared are gone")
	assert.Equal(t, []string{harness.Lag("i", "going_on", 2)}, c.Series())
}

func Test120InstancesTakeThreeCalls(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	ids := publishInstances(cms, 120)
	harness.StartPage(t, cms, harness.Once, ids).Await(120)
	assert.EqualValues(t, 3, cms.RequestCount())
}

// publishInstances publishes a point of n instances, and returns the environment variable that lists them.
func publishInstances(cms *harness.CMS, n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = instanceID(i)
		cms.Publish(ids[i], "orders", time.Now().Add(-time.Minute), float64(i))
	}
	return "KAFKA_INSTANCES=[" + strings.Join(ids, ",") + "]"
}

func instanceID(i int) string { return fmt.Sprintf("alikafka_post-cn-%03d", i) }
