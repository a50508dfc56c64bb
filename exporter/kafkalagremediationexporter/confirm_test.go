package kafkalagremediationexporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"k8s.io/client-go/tools/record"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadata"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alikafka"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

// confirmTarget remembers what was written to a target.
type confirmTarget struct {
	memory    ladder.Memory
	decisions []ladder.Decision
	away      error // of the API server
}

func (c *confirmTarget) Read(context.Context, cluster.Target) (*cluster.Observed, error) {
	return &cluster.Observed{UID: "u", Memory: c.memory, Scale: &ladder.Scale{Value: 2, Replicas: 2}}, c.away
}

func (c *confirmTarget) Write(_ context.Context, _ *cluster.Observed, d ladder.Decision) error {
	c.decisions = append(c.decisions, d)
	c.memory.Workload = d.Record
	return nil
}

func (c *confirmTarget) WriteRecord(_ context.Context, _ *cluster.Observed, r ladder.Record) error {
	c.memory.Workload = r
	return nil
}

// inProcess sends requests to a handler without a network, which a bubble of synctest needs.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// confirmTest is a runner with one target, which AliKafka is asked about.
type confirmTest struct {
	*runner
	t      *testing.T
	sim    *cmssim.Server
	target *confirmTarget
	logs   *observer.ObservedLogs
	events chan string
	values map[string]float64 // lags by group
	hold   chan struct{}      // AliKafka answers when it is closed; nil is at once
}

var consumers = cluster.Target{Namespace: "shop", Kind: cluster.Deployment, Name: "consumers"}

// newConfirmTest has the groups stuck, stuck2, slow and slow2 of the instance i; AliKafka knows no others.
func newConfirmTest(t *testing.T, secret string, change func(*Config)) *confirmTest {
	var groups []cmssim.Group
	for name, consumer := range map[string]string{"stuck": cmssim.ConsumerStuck, "stuck2": cmssim.ConsumerStuck, "slow": "", "slow2": ""} {
		groups = append(groups, cmssim.Group{Name: name, Consumer: consumer, Lag: []cmssim.LagAt{{Lag: 200_000}, {At: 10 * time.Hour, Lag: 900_000}}})
	}
	sim, err := cmssim.New(cmssim.Options{Scenario: cmssim.Scenario{Instances: []cmssim.Instance{{ID: "i", Groups: groups}}}})
	require.NoError(t, err)
	c := &confirmTest{t: t, sim: sim, target: &confirmTarget{}, values: map[string]float64{}}
	client, err := alikafka.NewClient(alicloud.Settings{
		Region: "cn-hangzhou", Endpoint: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: inProcess{http.HandlerFunc(c.serve)}},
		Credentials: alicloud.CredentialSettings{Type: alicloud.CredentialAccessKey, AccessKeyID: cmssim.AccessKeyID, AccessKeySecret: secret},
	})
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	cfg.DryRun, cfg.Confirm = false, confirmAliKafka
	change(cfg)
	telemetry, err := newTelemetry(exportertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	t.Cleanup(telemetry.Shutdown)
	core, logs := observer.New(zapcore.DebugLevel)
	events := record.NewFakeRecorder(100)
	c.logs, c.events = logs, events.Events
	notifier := &notifier{ctx: t.Context(), pending: map[notificationKey]*delivery{}}
	notifier.add("nobody", nil)
	c.runner = &runner{
		cfg: cfg, settings: cfg.ladder(), lags: newLags(newTargets(nil), cfg.CheckInterval, zap.NewNop()), cluster: c.target, notifier: notifier,
		telemetry: telemetry, events: events, logger: zap.New(core), status: func(*componentstatus.Event) {}, now: time.Now,
		started: time.Now(), targets: map[cluster.Target]*targetState{},
		confirmer: newConfirmer(client, cfg.AliKafka.Wait, zap.New(core)),
	}
	return c
}

// serve answers as AliKafka.
func (c *confirmTest) serve(w http.ResponseWriter, r *http.Request) {
	if c.hold != nil {
		<-c.hold
	}
	c.sim.ServeHTTP(w, r)
}

// pass makes a pass with points of now, and waits until nothing moves but the time.
func (c *confirmTest) pass(ctx context.Context) {
	for group, value := range c.values {
		c.lags.series[ladder.Series{Instance: "i", Group: group}] = &seriesLag{target: consumers, points: []point{{time.Now(), value}}}
	}
	c.runner.pass(ctx)
	synctest.Wait()
}

// run makes passes for a time.
func (c *confirmTest) run(ctx context.Context, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(longestTick) {
		c.pass(ctx)
	}
}

// asked returns how often AliKafka was asked about each group.
func (c *confirmTest) asked() map[string]int {
	all := map[string]int{}
	for _, r := range c.sim.Requests() {
		assert.Equal(c.t, "GetConsumerProgress", r.Action)
		for _, group := range r.Groups {
			all[group]++
		}
	}
	return all
}

func TestConfirm(t *testing.T) {
	for name, tt := range map[string]struct {
		high    []string // groups above the threshold
		secret  string
		verb    ladder.Verb
		opinion ladder.Opinion
		event   string
		asked   map[string]int
		logged  int // warnings
	}{
		"stuck": {
			high: []string{"stuck"}, verb: ladder.RestartNow, opinion: ladder.Stuck,
			event: "Normal LadderRestarted lag 200000 of stuck: the pods were restarted; offsets do not move", asked: map[string]int{"stuck": 2},
		},
		"slow": {
			high: []string{"slow"}, verb: ladder.SetScale, opinion: ladder.Slow, asked: map[string]int{"slow": 2},
			event: "Normal LadderScaledUp lag 200000 of slow: the replicas were raised from 2 to 4; offsets move, so a restart would not help",
		},
		"all slow":         {high: []string{"slow", "slow2"}, verb: ladder.SetScale, opinion: ladder.Slow, asked: map[string]int{"slow": 2, "slow2": 2}},
		"one stuck":        {high: []string{"slow", "stuck", "unknown"}, verb: ladder.RestartNow, opinion: ladder.Stuck, asked: map[string]int{"slow": 2, "stuck": 2, "unknown": 2}},
		"slow and unknown": {high: []string{"slow", "unknown"}, verb: ladder.RestartNow, opinion: ladder.Unanswered, asked: map[string]int{"slow": 2, "unknown": 2}},
		"no answer": {
			high: []string{"stuck", "stuck2"}, secret: "not-the-secret", verb: ladder.RestartNow, opinion: ladder.Unanswered, asked: map[string]int{}, logged: 1,
			event: "Normal LadderRestarted lag 200000 of stuck: the pods were restarted; AliKafka gave no answer, so the lag alone decides",
		},
	} {
		for _, dryRun := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dry run %t", name, dryRun), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					secret := cmssim.AccessKeySecret
					if tt.secret != "" {
						secret = tt.secret
					}
					c := newConfirmTest(t, secret, func(cfg *Config) { cfg.DryRun = dryRun })
					c.values = map[string]float64{"stuck": 1, "stuck2": 1, "slow": 1, "slow2": 1}
					for i, group := range tt.high {
						c.values[group] = 200_000 - float64(i)
					}
					c.run(t.Context(), 3*time.Minute)
					assert.Equal(t, tt.asked, c.asked())
					got := c.targets[consumers].dry.Workload
					if !dryRun {
						require.Len(t, c.target.decisions, 1)
						assert.Equal(t, tt.verb, c.target.decisions[0].Verb)
						got = c.target.decisions[0].Record
						if event := <-c.events; tt.event != "" {
							assert.Equal(t, tt.event, event)
						}
					}
					assert.Equal(t, tt.opinion, got.Opinion)
					require.Len(t, got.Unsent, 1)
					assert.Equal(t, tt.opinion, got.Unsent[0].Opinion)
					assert.Equal(t, tt.verb == ladder.SetScale, got.Unsent[0].Raised != nil)
					assert.Len(t, c.logs.FilterField(zap.String("reason", string(ladder.Acted))).FilterField(zap.String("opinion", string(tt.opinion))).All(), 1)
					assert.Len(t, c.logs.FilterLevelExact(zapcore.WarnLevel).All(), tt.logged)
					for _, line := range c.logs.All() {
						assert.NotContains(t, fmt.Sprint(line.Message, line.ContextMap()), secret)
					}
				})
			})
		}
	}
}

// TestConfirmTimes: the second look comes after wait, and the runner does not wait for it.
func TestConfirmTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmTest(t, cmssim.AccessKeySecret, func(*Config) {})
		c.values["stuck"] = 200_000
		begin := time.Now()
		c.pass(t.Context())
		time.Sleep(longestTick)
		c.pass(t.Context())
		assert.Equal(t, longestTick, time.Since(begin))
		assert.Equal(t, map[string]int{"stuck": 1}, c.asked())
		assert.Empty(t, c.logs.All())
		c.run(t.Context(), 2*time.Minute)
		requests := c.sim.Requests()
		require.Len(t, requests, 2)
		assert.Equal(t, time.Minute, requests[1].Time.Sub(requests[0].Time))
		assert.Empty(t, c.confirmer.looks, "none is under way")
		assert.Len(t, c.target.decisions, 1)
	})
}

// TestConfirmAnew: an answer is for one restart only.
func TestConfirmAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmTest(t, cmssim.AccessKeySecret, func(cfg *Config) {
			cfg.Stages = []StageConfig{{Restart: &struct{}{}}, {Restart: &struct{}{}}, {Notify: &struct{}{}}}
		})
		c.values["stuck"] = 200_000
		c.run(t.Context(), 5*time.Minute)
		require.Len(t, c.target.decisions, 1)
		require.NoError(t, c.sim.SetConsumer(cmssim.Consumer{InstanceID: "i", ConsumerGroup: "stuck"}))
		c.run(t.Context(), 10*time.Minute)
		assert.Equal(t, map[string]int{"stuck": 4}, c.asked())
		require.Len(t, c.target.decisions, 2)
		assert.Equal(t, ladder.Warned, c.target.decisions[1].Reason)
		assert.Equal(t, ladder.Slow, c.target.decisions[1].Record.Opinion)
	})
}

// TestConfirmDropped: a question ends when the restart is no longer due, and is asked anew when it is again.
func TestConfirmDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmTest(t, cmssim.AccessKeySecret, func(cfg *Config) { cfg.AliKafka.Wait = 2 * time.Minute })
		c.values["stuck"] = 200_000
		c.run(t.Context(), time.Minute)
		c.values["stuck"] = 1
		c.run(t.Context(), time.Minute)
		c.confirmer.asking.Wait() // would otherwise last until the second look
		assert.Equal(t, map[string]int{"stuck": 1}, c.asked())
		c.values["stuck"] = 200_000
		c.run(t.Context(), 15*time.Minute)
		assert.Equal(t, map[string]int{"stuck": 3}, c.asked())
		require.Len(t, c.target.decisions, 1)
		assert.Equal(t, ladder.Stuck, c.target.decisions[0].Record.Opinion)
	})
}

// TestConfirmHeldBack: nothing is asked about a target that is not acted on.
func TestConfirmHeldBack(t *testing.T) {
	for name, hold := range map[string]func(*confirmTest){
		"actions in the last hour": func(c *confirmTest) {
			c.targets[cluster.Target{Name: "other"}] = &targetState{actions: []time.Time{time.Now()}}
		},
		"cool-down": func(c *confirmTest) {
			c.target.memory.Workload = ladder.Record{Version: 1, Sequence: 1, Actions: []time.Time{time.Now()}}
		},
		"too many at once": func(c *confirmTest) { c.cfg.MaxTargetsAtOnce = 0 },
		"next stage is not a restart": func(c *confirmTest) {
			c.settings.Stages = []ladder.Stage{{Kind: ladder.Notify}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConfirmTest(t, cmssim.AccessKeySecret, func(cfg *Config) { cfg.MaxActionsPerHour = 1 })
				hold(c)
				c.values["stuck"] = 200_000
				c.run(t.Context(), 5*time.Minute)
				assert.Empty(t, c.asked())
			})
		})
	}
}

// TestConfirmEnds: questions end with the runner, and are asked anew after it lost and won the lead.
func TestConfirmEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmTest(t, cmssim.AccessKeySecret, func(*Config) {})
		c.values["stuck"] = 200_000
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx, 20*time.Second)
		cancel()
		question := c.targets[consumers].question
		c.runner.run(ctx)
		select {
		case <-question.done:
		default:
			assert.Fail(t, "it is still asked")
		}
		assert.Equal(t, map[string]int{"stuck": 1}, c.asked())
		c.run(t.Context(), 3*time.Minute)
		assert.Equal(t, map[string]int{"stuck": 3}, c.asked())
		require.Len(t, c.target.decisions, 1)
		assert.Equal(t, ladder.Stuck, c.target.decisions[0].Record.Opinion)
	})
}

// TestConfirmEndsLast: the runner does not end before its questions, even if one does not heed the end at once.
func TestConfirmEndsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmTest(t, cmssim.AccessKeySecret, func(*Config) {})
		c.values["stuck"], c.hold = 200_000, make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx, 20*time.Second)
		cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.runner.run(ctx)
		}()
		synctest.Wait()
		select {
		case <-ended:
			assert.Fail(t, "the question is under way")
		default:
		}
		close(c.hold)
		<-ended
		assert.Equal(t, map[string]int{"stuck": 1}, c.asked(), "no second look")
	})
}

// TestConfirmOutdated: an answer that could not be acted on for long is asked for anew.
func TestConfirmOutdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmTest(t, cmssim.AccessKeySecret, func(*Config) {})
		c.values["stuck"] = 200_000
		c.run(t.Context(), 20*time.Second)
		c.target.away = errors.New("away")
		c.run(t.Context(), 15*time.Minute)
		assert.Equal(t, map[string]int{"stuck": 2}, c.asked())
		c.target.away = nil
		c.run(t.Context(), 3*time.Minute)
		assert.Equal(t, map[string]int{"stuck": 4}, c.asked())
		assert.Len(t, c.target.decisions, 1)
	})
}

// hanging answers nothing.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestConfirmHangs: the lag alone decides if AliKafka does not answer in time.
func TestConfirmHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmTest(t, cmssim.AccessKeySecret, func(*Config) {})
		client, err := alikafka.NewClient(alicloud.Settings{
			Region: "cn-hangzhou", Endpoint: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: hanging{}},
			Credentials: alicloud.CredentialSettings{Type: alicloud.CredentialAccessKey, AccessKeyID: cmssim.AccessKeyID, AccessKeySecret: cmssim.AccessKeySecret},
		})
		require.NoError(t, err)
		c.confirmer.client = client
		c.values["stuck"] = 200_000
		c.run(t.Context(), 3*time.Minute)
		require.Len(t, c.target.decisions, 1)
		assert.Equal(t, ladder.Unanswered, c.target.decisions[0].Record.Opinion)
	})
}

// TestConfirmFailuresAreLogged: each kind once, and again after all was well.
func TestConfirmFailuresAreLogged(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	c := newConfirmer(nil, 0, zap.New(core))
	rejected, throttled := &alicloud.Error{Kind: alicloud.KindForbidden}, &alicloud.Error{Kind: alicloud.KindThrottled}
	c.note([]error{rejected, rejected, throttled})
	assert.Equal(t, 2, logs.Len())
	c.note([]error{rejected, throttled})
	assert.Equal(t, 2, logs.Len())
	c.note(nil)
	c.note([]error{rejected})
	assert.Equal(t, 3, logs.Len())
}

func TestConfirmConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string // empty: valid
	}{
		"off":             {func(c *Config) { c.Confirm = ""; c.AliKafka = AliKafkaConfig{} }, ""},
		"on":              {func(*Config) {}, ""},
		"unknown":         {func(c *Config) { c.Confirm = "kafka" }, `confirm: must be alikafka or empty, not "kafka"`},
		"no region":       {func(c *Config) { c.AliKafka.Region = "" }, "alikafka::region: must be set"},
		"network":         {func(c *Config) { c.AliKafka.Network = "lan" }, "alikafka::network: must be"},
		"endpoint":        {func(c *Config) { c.AliKafka.Endpoint = "http://example.com" }, "alikafka::endpoint: "},
		"no wait":         {func(c *Config) { c.AliKafka.Wait = 0 }, "alikafka::wait: must be above 0 and below check_interval (10m0s), not 0s"},
		"wait too long":   {func(c *Config) { c.AliKafka.Wait = 10 * time.Minute }, "alikafka::wait: must be above 0 and below check_interval (10m0s), not 10m0s"},
		"credentials":     {func(c *Config) { c.AliKafka.Credentials.Type = "password" }, "alikafka::credentials::type: must be one of"},
		"http::endpoint":  {func(c *Config) { c.AliKafka.HTTP.Endpoint = "https://example.com" }, "alikafka::http::endpoint: is not used here"},
		"http::proxy_url": {func(c *Config) { c.AliKafka.HTTP.ProxyURL = "proxy" }, "alikafka::http::proxy_url: must be a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			cfg.Targets = []TargetConfig{{Group: "g", Namespace: "shop", Deployment: "d"}}
			cfg.Confirm, cfg.AliKafka.Region = confirmAliKafka, "cn-hangzhou"
			tt.change(cfg)
			if err := cfg.Validate(); tt.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, tt.want)
			}
		})
	}
}

// TestConfirmTexts: people are told what AliKafka says, in both languages.
func TestConfirmTexts(t *testing.T) {
	for opinion, want := range map[ladder.Opinion][2]string{
		ladder.Unasked:    {"", ""},
		ladder.Stuck:      {"AliKafka：消费位点没有移动，消费者卡住了\n", "AliKafka: offsets do not move, so the consumers are stuck\n"},
		ladder.Slow:       {"AliKafka：消费位点在移动，消费者只是慢，重启没有用\n", "AliKafka: offsets move, so the consumers are only slow and a restart would not help\n"},
		ladder.Unanswered: {"AliKafka：没有给出答案，只按堆积处置\n", "AliKafka: no answer, so the lag alone decides\n"},
	} {
		for i, language := range []string{languageChinese, languageEnglish} {
			cfg := createDefaultConfig().(*Config)
			cfg.Notifications.Language = language
			_, text := newTexts(cfg).of(notification{Message: ladder.Message{Reason: ladder.Acted, Group: "g", Opinion: opinion}})
			assert.Contains(t, text, "\n"+want[i])
			assert.NotContains(t, text, "()", "the instance is not always known")
			assert.Equal(t, opinion != ladder.Unasked, strings.Contains(text, "AliKafka"))
		}
	}
}

// TestConfirmStart: the exporter makes the client, and says which section is wrong if it cannot.
func TestConfirmStart(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Kubeconfig, cfg.Confirm = "testdata/kubeconfig", confirmAliKafka
	cfg.AliKafka.Credentials = alicloud.CredentialsConfig{Type: "access_key", AccessKeyID: "a", AccessKeySecret: "b"}
	for region, want := range map[string]string{"cn-hangzhou": "", "": "alikafka: region: must be set"} {
		cfg.AliKafka.Region = region
		e, err := newExporter(cfg, exportertest.NewNopSettings(metadata.Type))
		require.NoError(t, err)
		if err = e.Start(t.Context(), componenttest.NewNopHost()); want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
		require.NoError(t, e.Shutdown(t.Context()))
	}
}

func TestConfirmKeys(t *testing.T) {
	for key, want := range map[string]string{"region": "", "http::timeout": "", "regions": "regions", "http::proxy": "http: "} {
		cfg := createDefaultConfig().(*Config)
		err := confmap.NewFromStringMap(map[string]any{"alikafka::" + key: "1s"}).Unmarshal(cfg)
		if want == "" {
			require.NoError(t, err, key)
			assert.Equal(t, time.Minute, cfg.AliKafka.Wait, key) // the defaults stay
		} else {
			require.ErrorContains(t, err, want, key)
		}
	}
}
