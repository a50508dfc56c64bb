package kafkalagremediationexporter

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadata"
)

var update = flag.Bool("update", false, "write the files instead of comparing them")

const (
	token  = "0123token"
	secret = "SECsecret"
)

func message(reason ladder.Reason, stage int) notification {
	return notification{
		Message: ladder.Message{Reason: reason, At: start, Stage: stage, Instance: "alikafka_a", Group: "orders", Lag: 200_000}, target: deployment("orders"),
	}
}

// TestNotificationsGolden compares what both channels send for each reason with the files in testdata. Write them with
//
//	go test ./exporter/kafkalagremediationexporter -run TestNotificationsGolden -update
func TestNotificationsGolden(t *testing.T) {
	scaled, unknown := message(ladder.Acted, 2), message(ladder.NoData, 1)
	scaled.Raised = &ladder.Raised{From: 2, To: 4}
	unknown.Instance, unknown.Group, unknown.Lag = "", "", 0
	scaled.Opinion = ladder.Slow
	putBack := message(ladder.Recovered, 0)
	putBack.Raised = scaled.Raised
	all := []notification{
		message(ladder.Acted, 1), scaled, message(ladder.Warned, 3), message(ladder.Recovered, 0), putBack, unknown, message(ladder.Doubt, 0),
		message(ladder.Reverted, 2), message(ladder.NoRoom, 2), message(ladder.Unsettled, 0),
		{Message: ladder.Message{Reason: ladder.Braked, At: start}, count: 4},
	}
	for _, language := range []string{languageChinese, languageEnglish} {
		for name, dryRun := range map[string]string{language: "false", language + "-dry-run": "true"} {
			t.Run(name, func(t *testing.T) {
				robot, hook := newReceiverOf(t, `{"errcode":0,"errmsg":"ok"}`), newReceiverOf(t, "")
				yaml := oneTarget + "dry_run: " + dryRun + "\nnotifications: {language: " + language +
					", dingtalk: {url: '" + robot.URL + "/robot/send?access_token=" + token + "', secret: " + secret + "}, webhook: {endpoint: '" + hook.URL + "'}}"
				sent := all
				if dryRun == "true" {
					sent = all[:1]
				}
				var got strings.Builder
				for _, m := range sent {
					startNotifier(t, yaml).enqueue(m) // one for each, since the robot has a limit
					got.WriteString("== " + string(m.Reason) + "\ndingtalk " + robot.next(t) + "\nwebhook " + hook.next(t) + "\n")
				}
				file := filepath.Join("testdata", "notify-"+name+".golden")
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, string(want), got.String())
			})
		}
	}
}

// receiverOf is a server that takes messages. Those of a robot have to be signed.
type receiverOf struct {
	*httptest.Server
	bodies chan string
}

func newReceiverOf(t *testing.T, answer string) *receiverOf {
	r := &receiverOf{bodies: make(chan string, 1)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if answer != "" {
			query := req.URL.Query()
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(query.Get("timestamp") + "\n" + secret))
			assert.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), query.Get("sign"))
			assert.Equal(t, token, query.Get("access_token"))
		}
		body, err := io.ReadAll(req.Body)
		assert.NoError(t, err)
		assert.Equal(t, http.MethodPost, req.Method)
		assert.True(t, json.Valid(body))
		_, _ = io.WriteString(w, answer)
		r.bodies <- string(body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiverOf) next(t *testing.T) string {
	t.Helper()
	select {
	case body := <-r.bodies:
		return body
	case <-t.Context().Done():
		return ""
	}
}

// startNotifier returns a notifier that ends with the test.
func startNotifier(t *testing.T, yaml string, channels ...func(context.Context, notification) error) *notifier {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	set := exportertest.NewNopSettings(metadata.Type)
	telemetry, err := newTelemetry(set)
	require.NoError(t, err)
	t.Cleanup(telemetry.Shutdown)
	n := newNotifier(ctx, configFromYAML(t, yaml), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, set.Logger, telemetry)
	for _, send := range channels {
		n.add("fake", send)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.run()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return n
}

// TestFailingChannel: a channel that is away neither holds up the other nor makes it send twice, and is tried again.
func TestFailingChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, tried, taken := true, 0, 0
		n := startNotifier(t, oneTarget, func(context.Context, notification) error {
			if tried++; away {
				return errors.New("away")
			}
			return nil
		}, func(context.Context, notification) error {
			taken++
			return nil
		})
		n.enqueue(message(ladder.Acted, 1))
		synctest.Wait()
		assert.Equal(t, []int{1, 1}, []int{tried, taken})
		assert.Empty(t, n.delivered())

		away = false
		n.enqueue(message(ladder.Acted, 1))
		synctest.Wait()
		assert.Equal(t, []int{2, 1}, []int{tried, taken})
		require.Len(t, n.delivered(), 1)

		n.enqueue(message(ladder.Acted, 1))
		synctest.Wait()
		assert.Equal(t, []int{2, 1}, []int{tried, taken}, "delivered, though not yet marked in the record")
		n.forget(message(ladder.Acted, 1))
		assert.Empty(t, n.delivered())
	})
}

// TestRetain: what no record holds is not kept for ever, but what is under way is still delivered.
func TestRetain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		n := startNotifier(t, oneTarget, func(context.Context, notification) error {
			<-hang
			return errors.New("away")
		})
		dropped, kept, other := message(ladder.Acted, 1), message(ladder.Acted, 2), message(ladder.Acted, 1)
		other.target = deployment("other")
		for _, m := range []notification{dropped, kept, other} {
			n.enqueue(m)
		}
		n.retain(dropped.target, []ladder.Message{kept.Message})
		assert.Len(t, n.pending, 3, "all are under way")
		close(hang)
		synctest.Wait()
		n.retain(dropped.target, []ladder.Message{kept.Message})
		assert.NotContains(t, n.pending, dropped.key())
		assert.Contains(t, n.pending, kept.key())
		assert.Contains(t, n.pending, other.key())
	})
}

// TestShutdownClosesConnections: the server of a webhook sees no connection after Shutdown.
func TestShutdownClosesConnections(t *testing.T) {
	states := make(chan http.ConnState, 10)
	hook := httptest.NewUnstartedServer(http.RedirectHandler("/login", http.StatusFound))
	hook.Config.ConnState = func(_ net.Conn, state http.ConnState) { states <- state }
	hook.Start()
	t.Cleanup(hook.Close)
	cfg := configFromYAML(t, oneTarget+"kubeconfig: testdata/kubeconfig\nnotifications: {webhook: {endpoint: '"+hook.URL+"'}}")
	e, err := newExporter(cfg, exportertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	require.Len(t, e.clients, 1)
	assert.Equal(t, cfg.CheckInterval/2, e.lags.window)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hook.URL, http.NoBody)
	require.NoError(t, err)
	resp, err := e.clients[0].Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body) // else closing the body would close the connection
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusFound, resp.StatusCode, "a redirect is not followed")
	require.NoError(t, e.Shutdown(t.Context()))
	for state := http.StateNew; state != http.StateClosed; {
		select {
		case state = <-states:
		case <-time.After(10 * time.Second):
			t.Fatal("the connection stays open")
		}
	}
}

// TestRobotAway: a robot that cannot be reached is not tried for ever, so that people see in log and metrics that it is away.
func TestRobotAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n := startNotifier(t, oneTarget+"notifications: {dingtalk: {url: 'http://127.0.0.1:1/robot/send?access_token=x'}}")
		err := n.channels[0].send(t.Context(), message(ladder.Acted, 1))
		require.Error(t, err)
		assert.InDelta(t, patience.Seconds(), time.Since(began).Seconds(), 90)
	})
}

// TestHangingChannel: what waits is bounded, and the other channel goes on.
func TestHangingChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		n := startNotifier(t, oneTarget, func(ctx context.Context, _ notification) error {
			<-ctx.Done()
			return ctx.Err()
		}, func(context.Context, notification) error {
			taken++
			return nil
		})
		const many = 2 * maxQueue
		for i := range many {
			m := message(ladder.Acted, 1)
			m.At = start.Add(time.Duration(i) * time.Second)
			n.enqueue(m)
			n.enqueue(m) // is not queued twice
			synctest.Wait()
		}
		assert.Equal(t, many, taken)
		assert.Len(t, n.channels[0].queue, maxQueue)
		assert.Empty(t, n.delivered())
	})
}

// TestWebhook: what may pass is tried again, the rest is not, and no error shows the address.
func TestWebhook(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []int
		taken   bool
	}{
		"taken":             {[]int{204}, true},
		"rejected":          {[]int{400}, false},
		"a redirect":        {[]int{302}, false},
		"many choices":      {[]int{300}, false},
		"broken at first":   {[]int{500, 200}, true},
		"too fast at first": {[]int{429, 200}, true},
		"ill at first":      {[]int{503, 200}, true},
	} {
		t.Run(name, func(t *testing.T) {
			requests, closed := 0, 0
			transport := roundTripper(func(req *http.Request) (*http.Response, error) {
				assert.Equal(t, "application/json", req.Header.Get("Content-Type"))
				requests++
				status := tt.answers[requests-1]
				return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: closer(func() { closed++ })}, nil
			})
			synctest.Test(t, func(t *testing.T) {
				hook := newHook(t, transport)
				err := hook.send(t.Context(), message(ladder.Acted, 1))
				assert.Len(t, tt.answers, requests)
				assert.Equal(t, requests, closed)
				if tt.taken {
					assert.NoError(t, err)
				} else {
					assert.ErrorContains(t, err, "the webhook answered")
				}
			})
		})
	}
	t.Run("away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			hook := newHook(t, roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }))
			err := hook.send(t.Context(), message(ladder.Acted, 1))
			require.ErrorContains(t, err, "no route")
			assert.NotContains(t, err.Error(), token)
			assert.InDelta(t, patience.Seconds(), time.Since(began).Seconds(), 90)
		})
	})
}

// TestWebhookAddress: an address that cannot be used is not shown, since it may hold a token.
func TestWebhookAddress(t *testing.T) {
	hook := newHook(t, nil)
	hook.endpoint = "http://[" + token
	err := hook.send(t.Context(), message(ladder.Acted, 1))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), token)
}

// TestWebhookStart: the exporter says which section is wrong if there can be no client.
func TestWebhookStart(t *testing.T) {
	cfg := configFromYAML(t, oneTarget+"kubeconfig: testdata/kubeconfig\nnotifications: {webhook: {endpoint: 'https://127.0.0.1:1', tls: {ca_file: missing}}}")
	e, err := newExporter(cfg, exportertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	require.ErrorContains(t, e.Start(t.Context(), componenttest.NewNopHost()), "notifications::webhook: ")
	require.NoError(t, e.Shutdown(t.Context()))
}

// closer is an empty body that is called when it is closed.
type closer func()

func (closer) Read([]byte) (int, error) { return 0, io.EOF }

func (c closer) Close() error {
	c()
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }

func newHook(t *testing.T, transport http.RoundTripper) *webhook {
	cfg := configFromYAML(t, oneTarget+"notifications: {webhook: {endpoint: 'https://hook.example.com/"+token+"'}}")
	return &webhook{client: &http.Client{Transport: transport}, endpoint: cfg.Notifications.Webhook.Get().Endpoint, texts: newTexts(cfg)}
}
