package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestOtherRobots: the same alerts reach robots of WeCom and Feishu, whatever the names and the number of the groups.
func TestOtherRobots(t *testing.T) {
	for name, tt := range map[string]struct {
		limit int // of the whole body
		text  func(body []byte) string
		shown string // how a group is shown
	}{
		"wecom": {
			limit: 4096 + 200, // the limit is that of the content
			text: func(body []byte) string {
				var m struct {
					MsgType  string
					Markdown struct{ Content string }
				}
				if strict(body, &m) != nil || m.MsgType != "markdown" || len(m.Markdown.Content) > 4096 {
					return ""
				}
				return m.Markdown.Content
			},
			shown: "**%s** " + instance,
		},
		"feishu": {
			limit: maxMessageBytes,
			text: func(body []byte) string {
				var m struct {
					MsgType string `json:"msg_type"`
					Content struct{ Text string }
				}
				if strict(body, &m) != nil || m.MsgType != "text" {
					return ""
				}
				return m.Content.Text
			},
			shown: "%s " + instance,
		},
	} {
		t.Run(name, func(t *testing.T) {
			texts := make(chan string, 100)
			robot := harness.Backend(t, func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				text := tt.text(body)
				assert.NoError(t, err)
				assert.NotEmpty(t, text, "the robot takes %s", body)
				assert.LessOrEqual(t, len(body), tt.limit+len(text)/2, "escapes of JSON come on top")
				texts <- text
			})
			alertmanager := startAlertmanager(t, name, robot, "13800000000")
			postAlerts(t, alertmanager, []alert{critical("KafkaConsumerLagStale", "a](b _x_ evil.example")})
			text := <-texts
			assert.Contains(t, text, fmt.Sprintf(tt.shown, "a··b ·x· evil·example"))
			assert.Contains(t, text, "摘要。")
			assert.NotContains(t, text, "13800000000", "only DingTalk mentions")

			var alerts []alert
			for i := range 100 {
				alerts = append(alerts, newAlert("KafkaConsumerLagHigh", fmt.Sprintf("%03d%s", i, strings.Repeat("长", 60))))
			}
			postAlerts(t, alertmanager, alerts)
			assert.Regexp(t, `另有 \d+ 条未列出`, <-texts)
		})
	}
}

func strict(body []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// TestSignedDingTalk: a robot that demands a signature gets the alerts through the relay.
func TestSignedDingTalk(t *testing.T) {
	const token, secret = "0123456789token", "SEC0123456789"
	ding := startDingTalk(t)
	robot := harness.Backend(t, func(w http.ResponseWriter, r *http.Request) {
		if fault := verify(r, token, secret); fault != "" {
			_, _ = io.WriteString(w, `{"errcode":310000,"errmsg":"`+fault+`"}`)
			return
		}
		ding.receive(w, r)
	})
	dir := t.TempDir()
	url, key := filepath.Join(dir, "url"), filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(url, []byte(robot+"/robot/send?access_token="+token+"\n"), 0o600))
	require.NoError(t, os.WriteFile(key, []byte("SECwrong"), 0o600))
	binary := filepath.Join(dir, "dingtalk-relay")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/dingtalk-relay")
	build.Dir = harness.Root()
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	address := harness.FreeAddress(t)
	relay := harness.Start(t, binary, nil, "-listen="+address, "-url-file="+url, "-secret-file="+key)
	harness.Eventually(t, func() bool {
		resp, err := http.Get("http://" + address + "/healthz") //nolint:noctx // ends with the test
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}, "the relay is ready")
	alertmanager := startAlertmanager(t, "dingtalk-signed", "http://"+address+"/send")

	postAlerts(t, alertmanager, []alert{newAlert("KafkaConsumerLagHigh", "first")})
	harness.Eventually(t, func() bool {
		return relay.CountLog("A message was not delivered", "errcode 310000", "check the robot") > 0
	},
		"a wrong secret is reported")
	require.NoError(t, os.WriteFile(key, []byte(secret), 0o600))
	postAlerts(t, alertmanager, oddAlerts())
	ding.await(t, fmt.Sprintf("Kafka 告警 KafkaConsumerLagStale (%d)", len(odd)))
	_, faults := ding.received()
	assert.Empty(t, faults)

	ding.answerNext(codeTooFast)
	postAlerts(t, alertmanager, []alert{newAlert("KafkaConsumerStuck", "too fast")})
	ding.await(t, "Kafka 告警 KafkaConsumerStuck (1)")
	assert.Zero(t, relay.CountLog("A message was not delivered", "errcode 130101"), "the relay tries again")
	ding.answerNext(codeTooLong)
	postAlerts(t, alertmanager, []alert{newAlert("KafkaConsumerLagNotDraining", "too long")})
	harness.Eventually(t, func() bool {
		return relay.CountLog("A message was not delivered", `"status":422`, "errcode 460101", "shorten the message") > 0
	},
		"the relay does not try a message again that is too long")
	for _, hidden := range []string{token, secret, "SECwrong"} {
		assert.NotContains(t, relay.Log(), hidden)
	}
}

// verify checks the signature as DingTalk does, and returns what is wrong.
func verify(r *http.Request, token, secret string) string {
	query := r.URL.Query()
	timestamp := query.Get("timestamp")
	ms, err := strconv.ParseInt(timestamp, 10, 64)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, timestamp+"\n"+secret)
	sign, signErr := base64.StdEncoding.DecodeString(query.Get("sign"))
	switch {
	case query.Get("access_token") != token:
		return "token is not exist"
	case err != nil || time.Since(time.UnixMilli(ms)).Abs() > time.Hour:
		return "invalid timestamp"
	case signErr != nil || !hmac.Equal(sign, mac.Sum(nil)):
		return "sign not match"
	}
	return ""
}
