package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// DingTalk's limits for a group robot, and its codes for what it does not take.
const (
	maxMessageBytes  = 20_000
	maxMessagesAtime = 20 // a minute

	codeBadMessage = 40035
	codeTooFast    = 130101
	codeTooLong    = 460101
)

// dingTalk stands in for a group robot: it takes what the robot takes, and remembers what
// was wrong.
type dingTalk struct {
	url string

	mu       sync.Mutex
	messages []dingTalkMessage
	arrivals []time.Time
	faults   []string
	next     []int // codes that the next messages are answered with, whatever they are
}

type dingTalkMessage struct {
	MsgType  string `json:"msgtype"`
	Markdown struct{ Title, Text string }
	At       struct {
		AtMobiles []string `json:"atMobiles"`
		IsAtAll   bool     `json:"isAtAll"`
	}
}

func startDingTalk(t *testing.T) *dingTalk {
	t.Helper()
	d := &dingTalk{}
	d.url = harness.Backend(t, d.receive) + "/robot/send?access_token=test"
	return d
}

func (d *dingTalk) receive(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.next) > 0 {
		answer(w, d.next[0], "as the test wants it")
		d.next = d.next[1:]
		return
	}
	code, fault := d.take(r)
	if code != 0 {
		d.faults = append(d.faults, fault)
	}
	answer(w, code, fault)
}

// answer is how DingTalk answers: always with HTTP 200.
func answer(w io.Writer, code int, message string) {
	_ = json.NewEncoder(w).Encode(map[string]any{"errcode": code, "errmsg": message})
}

// answerNext has the next messages answered with these codes, instead of being looked at.
func (d *dingTalk) answerNext(codes ...int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = codes
}

// take checks a message as the robot does, and keeps it. The code is 0 if the robot takes it.
func (d *dingTalk) take(r *http.Request) (code int, fault string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return codeBadMessage, err.Error()
	}
	var m dingTalkMessage
	d.arrivals = append(d.arrivals, time.Now())
	switch err := strict(body, &m); {
	case err != nil:
		return codeBadMessage, "not a message: " + err.Error()
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return codeBadMessage, "Content-Type is " + r.Header.Get("Content-Type")
	case len(body) > maxMessageBytes:
		return codeTooLong, "message too long"
	case m.MsgType != "markdown" || m.Markdown.Title == "" || m.Markdown.Text == "":
		return codeBadMessage, "no markdown message: " + string(body)
	case len(d.arrivals) > maxMessagesAtime && time.Since(d.arrivals[len(d.arrivals)-1-maxMessagesAtime]) < time.Minute:
		return codeTooFast, "too many messages"
	}
	d.messages = append(d.messages, m)
	return 0, "ok"
}

func (d *dingTalk) received() (messages []dingTalkMessage, faults []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]dingTalkMessage(nil), d.messages...), append([]string(nil), d.faults...)
}

// startAlertmanager starts Alertmanager on the shipped configuration, quicker, with one of its
// receivers and the URL that it posts to. Critical alerts mention the phone numbers.
func startAlertmanager(t *testing.T, receiver, url string, mobiles ...string) (address string) {
	t.Helper()
	dir := t.TempDir()
	urlFile := filepath.Join(dir, "url")
	require.NoError(t, os.WriteFile(urlFile, []byte(url), 0o600))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "templates"), os.DirFS(deployFile("alertmanager", "templates"))))
	mention(t, filepath.Join(dir, "templates", "robots.tmpl"), mobiles)
	config := strings.NewReplacer(
		"receiver: dingtalk #", "receiver: "+receiver+" #",
		"/etc/alertmanager/secrets/"+receiver+"-url", urlFile,
		"http://dingtalk-relay.monitoring.svc:8060/send", url,
		"group_wait: 30s", "group_wait: 1s",
		"group_interval: 5m", "group_interval: 2s",
	).Replace(read(t, deployFile("alertmanager", "alertmanager.yaml")))
	file := filepath.Join(dir, "alertmanager.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	address = harness.FreeAddress(t)
	harness.Start(t, harness.Binary(t, "ALERTMANAGER_BINARY", ".tools/alertmanager", "e2e"), nil,
		"--config.file="+file, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--cluster.listen-address=",
	)
	harness.Eventually(t, func() bool { return harness.Get(t, "http://"+address+"/-/ready") != "" }, "Alertmanager is ready")
	return address
}

// mention writes the phone numbers into the template, where users do.
func mention(t *testing.T, template string, mobiles []string) {
	t.Helper()
	const none = "$mobiles := list }}"
	text := read(t, template)
	require.Contains(t, text, none)
	list := "$mobiles := list"
	for _, mobile := range mobiles {
		list += fmt.Sprintf(" %q", mobile)
	}
	require.NoError(t, os.WriteFile(template, []byte(strings.Replace(text, none, list+" }}", 1)), 0o600))
}

// odd are names of groups, and how a message shows them: nothing can become a link, a mention or formatting.
var odd = map[string]string{
	`a"b`: `a"b`, `x\y`: "x·y", "- a: b": "- a: b", "# c": "· c", "%s%d{{x}}": "%s%d{{x}}", "<b>&": "·b··", "中文组": "中文组", "😀": "😀",
	"'q'": "'q'", "](http://evil.example)": "··http:··evil·example·", "line\nbreak": "line·break", "bell\a": "bell·", "para\u2029graph": "para·graph", "@13800000000": "·13800000000",
	"`code` **bold**": "·code· ··bold··",
	"example.com":     "example·com", "a.例.公司": "a·例·公司", "v1.2": "v1.2", "_x_": "·x·", "__x__ _y_": "·x· ·y·", "_x_*_y_": "·x···y·",
	"cust_docking_analog": "cust_docking_analog",
}

// TestDingTalkMessages: whatever the names and the number of the groups, the robot takes the
// message, and what still fires is in it.
func TestDingTalkMessages(t *testing.T) {
	ding := startDingTalk(t)
	alertmanager := startAlertmanager(t, "dingtalk", ding.url)

	strange := oddAlerts()
	postAlerts(t, alertmanager, strange)
	text := ding.await(t, fmt.Sprintf("Kafka 告警 KafkaConsumerLagStale (%d)", len(odd)))
	for group, shown := range odd {
		assert.Contains(t, text, "**"+shown+"** "+instance)
		assert.Contains(t, text, "?var-instance_id="+instance+"&var-consumer_group="+url.QueryEscape(group)+")")
	}
	assert.Contains(t, text, "lag: **190000** ")
	assert.Contains(t, text, strange[0].StartsAt.UTC().Add(8*time.Hour).Format("2006-01-02 15:04")+" (UTC+8)")

	var alerts []alert
	for i := range 100 {
		alerts = append(alerts, newAlert("KafkaConsumerLagHigh", fmt.Sprintf("%03d%s", i, strings.Repeat("长", 60))))
	}
	postAlerts(t, alertmanager, alerts)
	assert.Regexp(t, `另有 \d+ 条未列出`, ding.await(t, "Kafka 告警 KafkaConsumerLagHigh (100)"))

	for i := range alerts[:95] {
		alerts[i].EndsAt = time.Now()
	}
	postAlerts(t, alertmanager, alerts)
	text = ding.await(t, "Kafka 告警 KafkaConsumerLagHigh (5)")
	for _, alert := range alerts[95:] {
		assert.Contains(t, text, alert.Labels["consumer_group"])
	}
	_, faults := ding.received()
	assert.Empty(t, faults, "the robot takes every message")
}

// TestMentions: a critical alert that fires mentions the phone numbers, in the text and beside it, where DingTalk needs
// them. Nothing else does.
func TestMentions(t *testing.T) {
	mobiles := []string{"13800000000", "13900000000"}
	ding := startDingTalk(t)
	alertmanager := startAlertmanager(t, "dingtalk", ding.url, mobiles...)
	absent := critical("KafkaConsumerLagAbsent", "")
	postAlerts(t, alertmanager, []alert{absent, newAlert("KafkaConsumerLagHigh", "g")})

	fires := ding.awaitMessage(t, "Kafka 告警 KafkaConsumerLagAbsent (1)")
	assert.Contains(t, fires.Markdown.Text, "### Kafka 告警 KafkaConsumerLagAbsent (1) @13800000000 @13900000000\n")
	assert.Equal(t, mobiles, fires.At.AtMobiles)
	assert.False(t, fires.At.IsAtAll)

	absent.EndsAt = time.Now()
	postAlerts(t, alertmanager, []alert{absent})
	for _, title := range []string{"Kafka 告警结束 KafkaConsumerLagAbsent (1)", "Kafka 告警 KafkaConsumerLagHigh (1)"} {
		quiet := ding.awaitMessage(t, title)
		assert.NotContains(t, quiet.Markdown.Text, "@", title)
		assert.Empty(t, quiet.At.AtMobiles, title)
	}
}

func oddAlerts() (alerts []alert) {
	for group := range odd {
		alerts = append(alerts, newAlert("KafkaConsumerLagStale", group))
	}
	return alerts
}

// alert is one as Alertmanager's API takes it.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

func newAlert(name, group string) alert {
	return alert{
		Labels:      map[string]string{"alertname": name, "severity": "warning", "instance_id": instance, "consumer_group": group},
		Annotations: map[string]string{"lag": "190000", "replicas": "4", "summary": "Summary.", "summary_zh": "摘要。"},
		StartsAt:    time.Now(),
		EndsAt:      time.Now().Add(time.Hour),
	}
}

// critical is an alert that DingTalk mentions the phone numbers for.
func critical(name, group string) alert {
	a := newAlert(name, group)
	a.Labels["severity"] = "critical"
	return a
}

func postAlerts(t *testing.T, alertmanager string, alerts []alert) {
	t.Helper()
	body, err := json.Marshal(alerts)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+alertmanager+"/api/v2/alerts", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// await is the text of the message with the title.
func (d *dingTalk) await(t *testing.T, title string) (text string) {
	t.Helper()
	return d.awaitMessage(t, title).Markdown.Text
}

// awaitMessage is the message with the title.
func (d *dingTalk) awaitMessage(t *testing.T, title string) (message dingTalkMessage) {
	t.Helper()
	harness.Eventually(t, func() bool {
		messages, _ := d.received()
		for _, m := range messages {
			if m.Markdown.Title == title {
				message = m
				return true
			}
		}
		return false
	}, "a message with the title %s", title)
	return message
}

// alertReachesDingTalk: a lag over 180,000 becomes, after the two minutes of the rule, a
// message in Chinese and English that the robot takes.
func (r *rig) alertReachesDingTalk(d *dingTalk) {
	r.t.Helper()
	r.lags.set(instance, "alerting_group", 190_000)
	defer r.lags.clear()
	var found dingTalkMessage
	require.Eventually(r.t, func() bool {
		messages, _ := d.received()
		for _, m := range messages {
			if strings.Contains(m.Markdown.Text, "alerting_group") && strings.Contains(m.Markdown.Title, "KafkaConsumerLagHigh") {
				found = m
				return true
			}
		}
		return false
	}, 4*time.Minute, time.Second, "the message arrives")
	for _, part := range []string{"alerting_group", instance, "**190000**", "**4**", "消费堆积", "The lag is over", "/d/kafka-consumer-lag?"} {
		assert.Contains(r.t, found.Markdown.Text, part)
	}
	_, faults := d.received()
	assert.Empty(r.t, faults, "the robot takes every message")
}
