package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// secondOpinion climbs the ladder with confirm: AliKafka is asked before a restart, by the credentials in the environment.
func (l *ladderRig) secondOpinion() {
	forbidden := harness.Backend(l.t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"Code":"Forbidden.RAM","Message":"User not authorized to operate on the specified resource."}`)
	})
	for _, tt := range []struct {
		name, consumer, endpoint string
		opinion                  string
		restarts                 bool
		event, message           string // the former is logged, too
		problem                  string // that is logged, if any
	}{
		{
			name: "stuck", consumer: cmssim.ConsumerStuck, endpoint: l.cms.URL, opinion: "stuck", restarts: true,
			event: "pods were restarted; offsets do not move", message: "AliKafka: offsets do not move",
		},
		{
			name: "slow", endpoint: l.cms.URL, opinion: "slow",
			event: "replicas were raised from 2 to 4; offsets move, so a restart would not help", message: "AliKafka: offsets move",
		},
		{
			name: "no answer", endpoint: forbidden, opinion: "unanswered", restarts: true,
			event: "pods were restarted; AliKafka gave no answer, so the lag alone decides", message: "AliKafka: no answer",
			problem: "grant the RAM identity the action alikafka:ListGroup",
		},
	} {
		l.t.Run(tt.name, func(t *testing.T) {
			l := &ladderRig{rig: l.forTest(t), name: l.name + "-" + strings.ReplaceAll(tt.name, " ", "-")}
			l.deploy(l.name)
			l.cms.Publish(instance, l.name, time.Now(), high)
			require.NoError(t, l.cms.SetConsumer(cmssim.Consumer{InstanceID: instance, ConsumerGroup: l.name, Consumer: tt.consumer}))
			l.lags.set(instance, l.name, high)
			api := l.StartAPIProxy(t, administrator)
			collector := l.start(api, fmt.Sprintf("confirm: alikafka\nalikafka: {region: cn-hangzhou, endpoint: %q, wait: 500ms}", tt.endpoint))
			l.awaitStage(l.name, 3)
			acts := l.acts(api)
			require.NotEmpty(t, acts)
			assert.Equal(t, tt.opinion, acts[0].record.Opinion)
			for i, a := range acts {
				assert.Equal(t, tt.restarts && i == 0, a.restart, "act %d", i)
			}
			assert.Equal(t, 4, l.replicas()[l.name].spec)
			assert.Equal(t, 1, collector.CountLog(tt.event, `"opinion": "`+tt.opinion+`"`))
			if tt.problem != "" {
				assert.Equal(t, 1, collector.CountLog("AliKafka could not be asked", tt.problem))
			}
			harness.Eventually(t, func() bool { return strings.Contains(l.Kubectl("describe", "deployment", l.name), tt.event) }, "it is an Event")
			l.robot.await(t, l.name, tt.message)
			l.lags.set(instance, l.name, low)
			l.awaitRecovery(l.name)
		})
	}
}
