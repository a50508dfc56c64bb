package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestInhibition: what follows from another alert is hidden, and nothing else. Names are of alerts, with the values of the
// labels that inhibition compares: the collector and its receiver, or the consumer group.
func TestInhibition(t *testing.T) {
	for name, tt := range map[string]struct{ hidden, shown []string }{
		"a collector is down": {
			hidden: []string{"KafkaLagDataOld a/one", "KafkaLagRemediationFailing a", "KafkaConsumerLagAbsent", "KafkaConsumerLagStale i/g"},
			shown: []string{
				"KafkaLagCollectorDown a", "KafkaLagRemediationExhausted a", "KafkaConsumerLagHigh i/g", "KafkaConsumerLagGrowingAtMaxReplicas i/h",
				"KafkaLagRemediationFailing b", "KafkaLagDataOld b/one", "KafkaLagInstanceSetAside a/one", "CloudMonitorQuotaAlmostUsed",
			},
		},
		"a collector is down after it failed": {
			hidden: []string{"KafkaLagCollectorFailing a/one", "KafkaLagNotDelivered a/one"},
			shown:  []string{"KafkaLagCollectorDown a", "KafkaLagCollectorFailing b/one", "KafkaLagNotDelivered b/one"},
		},
		"CloudMonitor cannot be read": {
			hidden: []string{"KafkaLagDataOld a/one", "KafkaConsumerLagAbsent", "KafkaConsumerLagStale i/g"},
			shown: []string{
				"KafkaLagCollectorFailing a/one", "KafkaLagDataOld a/two", "KafkaLagDataOld b/one", "KafkaLagRemediationFailing a",
				"KafkaLagRemediationExhausted a", "CloudMonitorQuotaTooSmall",
			},
		},
		"the lag cannot be delivered": {
			hidden: []string{"KafkaLagDataOld a/one", "KafkaConsumerLagAbsent", "KafkaConsumerLagStale i/g"},
			shown:  []string{"KafkaLagNotDelivered a/one", "KafkaLagDataOld a/two", "KafkaLagDataOld b/one"},
		},
		"there is no lag": {
			hidden: []string{"KafkaConsumerLagStale i/g"},
			shown:  []string{"KafkaConsumerLagAbsent", "KafkaLagRemediationFailing a", "KafkaConsumerLagHigh i/g"},
		},
		"the lag is old": {
			hidden: []string{"KafkaConsumerLagStale i/g"},
			shown:  []string{"KafkaLagDataOld a/one", "KafkaConsumerLagHigh i/g"},
		},
		"more replicas do not help": {
			hidden: []string{"KafkaConsumerLagHigh i/g", "KafkaConsumerLagNotDraining i/g"},
			shown:  []string{"KafkaConsumerLagGrowingAtMaxReplicas i/g", "KafkaConsumerLagHigh i/h", "KafkaConsumerLagNotDraining i/h", "KafkaConsumerLagStale i/g"},
		},
		"a consumer is stuck": {
			hidden: []string{"KafkaConsumerLagHigh i/g", "KafkaConsumerLagNotDraining i/g"},
			shown:  []string{"KafkaConsumerStuck i/g", "KafkaConsumerLagHigh i/h", "KafkaConsumerLagNotDraining j/g"},
		},
		"the quota": {
			hidden: []string{"CloudMonitorQuotaTooSmall"},
			shown:  []string{"CloudMonitorQuotaAlmostUsed", "KafkaLagCollectorFailing a/one"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			alertmanager := startAlertmanager(t, "dingtalk", harness.Backend(t, func(http.ResponseWriter, *http.Request) {}))
			want := map[string]bool{} // whether an alert is hidden
			var alerts []alert
			for i, text := range slices.Concat(tt.hidden, tt.shown) {
				want[text] = i < len(tt.hidden)
				alerts = append(alerts, alertFrom(text))
			}
			postAlerts(t, alertmanager, alerts)
			var got map[string]bool
			assert.Eventually(t, func() bool {
				got = hiddenAlerts(t, alertmanager)
				return maps.Equal(want, got)
			}, 10*time.Second, 50*time.Millisecond)
			assert.Equal(t, want, got, "whether they are hidden")
		})
	}
}

// alertFrom makes an alert of its name and the values of its labels.
func alertFrom(text string) alert {
	name, value, _ := strings.Cut(text, " ")
	a := newAlert(name, "")
	a.Labels = map[string]string{"alertname": name, "text": text}
	keys := []string{"instance", "receiver"}
	if strings.HasPrefix(name, "KafkaConsumer") {
		keys = []string{"instance_id", "consumer_group"}
	}
	a.Labels[keys[0]], a.Labels[keys[1]], _ = strings.Cut(value, "/")
	return a
}

// hiddenAlerts reports of each alert whether Alertmanager inhibits it.
func hiddenAlerts(t *testing.T, alertmanager string) map[string]bool {
	t.Helper()
	var alerts []struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}
	_ = json.Unmarshal([]byte(harness.Get(t, "http://"+alertmanager+"/api/v2/alerts")), &alerts) // there are none then
	hidden := map[string]bool{}
	for _, a := range alerts {
		hidden[a.Labels["text"]] = len(a.Status.InhibitedBy) > 0
	}
	return hidden
}
