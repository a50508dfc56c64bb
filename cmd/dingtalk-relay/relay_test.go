package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/dingtalk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sendFunc is a sender.
type sendFunc func(ctx context.Context, message []byte) error

func (f sendFunc) Send(ctx context.Context, message []byte) error { return f(ctx, message) }

func post(handler http.Handler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/send", strings.NewReader(body)))
	return w
}

func TestStatus(t *testing.T) {
	for name, tt := range map[string]struct {
		body   string
		err    error
		status int
		sent   bool
	}{
		"delivered":     {body: `{"msgtype":"text"}`, status: http.StatusOK, sent: true},
		"rejected":      {body: `{}`, err: &dingtalk.Error{Code: 310000, Message: "sign not match"}, status: http.StatusUnprocessableEntity, sent: true},
		"for now":       {body: `{}`, err: &dingtalk.Error{Code: 130101, Temporary: true}, status: http.StatusBadGateway, sent: true},
		"no network":    {body: `{}`, err: errors.New("connection refused"), status: http.StatusBadGateway, sent: true},
		"not JSON":      {body: `alert`, status: http.StatusBadRequest},
		"just too long": {body: `"` + strings.Repeat("x", dingtalk.MaxBytes-1) + `"`, status: http.StatusRequestEntityTooLarge},
		"just not":      {body: `"` + strings.Repeat("x", dingtalk.MaxBytes-2) + `"`, status: http.StatusOK, sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zap.InfoLevel)
			sent := false
			w := post(newHandler(sendFunc(func(_ context.Context, message []byte) error {
				assert.Equal(t, tt.body, string(message))
				sent = true
				return tt.err
			}), zap.New(core)), tt.body)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.sent, sent)
			assert.Equal(t, 1, logs.Len())
		})
	}
}

func TestOnlyPost(t *testing.T) {
	handler := newHandler(nil, zap.NewNop())
	for path, status := range map[string]int{"/send": http.StatusMethodNotAllowed, "/healthz": http.StatusOK, "/": http.StatusNotFound} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		assert.Equal(t, status, w.Code, path)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	handler := newHandler(sendFunc(func(context.Context, []byte) error {
		started <- struct{}{}
		<-release
		return nil
	}), zap.NewNop())
	codes := make(chan int)
	for range maxWaiting {
		go func() { codes <- post(handler, `{}`).Code }()
	}
	for range maxWaiting {
		<-started
	}
	assert.Equal(t, http.StatusServiceUnavailable, post(handler, `{}`).Code)
	close(release)
	for range maxWaiting {
		assert.Equal(t, http.StatusOK, <-codes)
	}
	go func() { <-started }()
	assert.Equal(t, http.StatusOK, post(handler, `{}`).Code, "there is room again")
}

// TestAlertmanagerGoesAway: a message that nobody waits for any more is not tried on.
func TestAlertmanagerGoesAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	handler := newHandler(sendFunc(func(ctx context.Context, _ []byte) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}), zap.NewNop())
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/send", strings.NewReader(`{}`)))
	assert.Equal(t, http.StatusBadGateway, w.Code)
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	f := files{filepath.Join(dir, "url"), filepath.Join(dir, "secret")}
	_, err := f.read()
	require.ErrorContains(t, err, f.url)
	require.NoError(t, os.WriteFile(f.url, []byte("htps://example.com/robot/send?access_token=0123token"), 0o600))
	_, err = f.read()
	require.ErrorContains(t, err, f.url+": the URL of the robot is not valid")
	assert.NotContains(t, err.Error(), "0123token")
	require.NoError(t, os.WriteFile(f.url, []byte("https://example.com\n"), 0o600))
	require.NoError(t, os.WriteFile(f.secret, []byte(" \n"), 0o600))
	_, err = f.read()
	require.ErrorContains(t, err, f.secret+" is empty")
	require.NoError(t, os.WriteFile(f.secret, []byte("SEC1\n"), 0o600))
	got, err := f.read()
	require.NoError(t, err)
	assert.Equal(t, dingtalk.Address{URL: "https://example.com", Secret: "SEC1"}, got)
}

func TestRunEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	f := files{filepath.Join(dir, "url"), filepath.Join(dir, "secret")}
	args := []string{"-listen=127.0.0.1:0", "-url-file=" + f.url, "-secret-file=" + f.secret}
	require.ErrorContains(t, run(t.Context(), args, zap.NewNop()), f.url)
	for _, file := range []string{f.url, f.secret} {
		require.NoError(t, os.WriteFile(file, []byte("https://example.com"), 0o600))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, run(ctx, args, zap.NewNop()))
	require.ErrorContains(t, run(t.Context(), append(args, "-listen=nowhere"), zap.NewNop()), "nowhere")
}

// TestDeployment: the manifest and Alertmanager's configuration suit the relay.
func TestDeployment(t *testing.T) {
	type probe struct {
		HTTPGet struct{ Path string } `yaml:"httpGet"`
	}
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Ports []struct {
							ContainerPort int `yaml:"containerPort"`
						}
						Readiness    probe `yaml:"readinessProbe"`
						Liveness     probe `yaml:"livenessProbe"`
						VolumeMounts []struct {
							MountPath string `yaml:"mountPath"`
						} `yaml:"volumeMounts"`
					}
				}
			}
		}
	}
	decode(t, "kubernetes/dingtalk-relay/deployment.yaml", &deployment)
	container := deployment.Spec.Template.Spec.Containers[0]
	assert.Equal(t, defaultListen, fmt.Sprintf(":%d", container.Ports[0].ContainerPort))
	assert.Equal(t, defaultFolder, container.VolumeMounts[0].MountPath)
	for _, probe := range []probe{container.Readiness, container.Liveness} {
		w := httptest.NewRecorder()
		newHandler(nil, zap.NewNop()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, probe.HTTPGet.Path, http.NoBody))
		assert.Equal(t, http.StatusOK, w.Code)
	}

	var alertmanager struct {
		Receivers []struct {
			Name     string
			Webhooks []struct{ Timeout time.Duration } `yaml:"webhook_configs"`
		}
	}
	decode(t, "alertmanager/alertmanager.yaml", &alertmanager)
	for _, receiver := range alertmanager.Receivers {
		if receiver.Name == "dingtalk-signed" {
			assert.Greater(t, receiver.Webhooks[0].Timeout, sendLimit, "Alertmanager waits for the relay")
			return
		}
	}
	t.Error("there is no receiver dingtalk-signed")
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile("../../deploy/" + file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, into))
}
