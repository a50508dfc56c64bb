package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// fakeCollector makes the test binary behave as a collector: it serves, or it dies.
const fakeCollector = "FAKE_COLLECTOR"

func TestMain(m *testing.M) {
	switch os.Getenv(fakeCollector) {
	case "serve":
		serveLikeCollector()
	case "decide":
		fmt.Print(ladderLine(0, "The pods would be restarted", `"reason": "acted", "group": "orders", "lag": 12, "stage": 1, "stages": 3`))
		serveLikeCollector()
	case "write":
		deleteDeployment(os.Getenv("DEMO_KUBECONFIG"))
		serveLikeCollector()
	case "die":
		fmt.Fprintln(os.Stderr, "region: must be set")
		os.Exit(1)
	default:
		goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
			http.DefaultClient.CloseIdleConnections()
			os.Exit(code)
		}))
	}
}

func serveLikeCollector() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	page := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s{consumer_group=\"orders\",instance_id=\"alikafka_a\"} 12 %d\n", metric, time.Now().UnixMilli())
	}
	for _, key := range []string{"METRICS_ENDPOINT", "HEALTH_CHECK_ENDPOINT"} {
		server := &http.Server{Addr: os.Getenv(key), Handler: http.HandlerFunc(page), ReadHeaderTimeout: time.Minute}
		go func() { panic(server.ListenAndServe()) }()
	}
	<-ctx.Done()
}

// deleteDeployment does what a dry run must not.
func deleteDeployment(kubeconfig string) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		panic(err)
	}
	err = kubernetes.NewForConfigOrDie(config).AppsV1().Deployments(namespace).
		Delete(context.Background(), "orders-consumer", metav1.DeleteOptions{})
	if !apierrors.IsMethodNotSupported(err) {
		panic(err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Setenv(fakeCollector, "serve")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, write, err := os.Pipe()
	require.NoError(t, err)
	defer out.Close()

	opts := testOptions(t)
	ended := make(chan error, 1)
	go func() {
		defer write.Close()
		ended <- run(ctx, opts, write)
	}()
	var url string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, after, ok := strings.Cut(lines.Text(), "http://"); ok {
			url = "http://" + after
		}
		if strings.HasPrefix(lines.Text(), "orders ") {
			cancel()
		}
	}
	require.NoError(t, <-ended)
	require.Contains(t, url, "/metrics")
	_, err = fetch(t.Context(), url)
	assert.Error(t, err, "the collector is gone")
}

func TestRunEndsAtItsLimit(t *testing.T) {
	t.Setenv(fakeCollector, "serve")
	opts := testOptions(t)
	opts.limit = time.Millisecond
	require.NoError(t, run(t.Context(), opts, discard(t)))
}

func TestRunFailsWithTheCollector(t *testing.T) {
	t.Setenv(fakeCollector, "die")
	opts := testOptions(t)
	err := run(t.Context(), opts, discard(t))
	require.ErrorContains(t, err, "the collector stopped")
	require.ErrorContains(t, err, "region: must be set")
	require.ErrorContains(t, err, opts.log)
}

func TestRunFailsWithoutCollector(t *testing.T) {
	opts := testOptions(t)
	opts.collector = filepath.Join(t.TempDir(), "missing")
	require.ErrorContains(t, run(t.Context(), opts, discard(t)), "does not start")
}

func TestLadderSumsUp(t *testing.T) {
	t.Setenv(fakeCollector, "decide")
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, write, err := os.Pipe()
	require.NoError(t, err)
	defer out.Close()

	opts := testOptions(t)
	opts.ladder = true
	ended := make(chan error, 1)
	go func() {
		defer write.Close()
		ended <- run(ctx, opts, write)
	}()
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		if strings.HasPrefix(lines.Text(), "orders ") && strings.Contains(lines.Text(), "1/3") {
			cancel()
		}
	}
	require.NoError(t, <-ended)
	_, sum, found := strings.Cut(text.String(), "nothing was changed:")
	require.True(t, found, text.String())
	for _, c := range consumers {
		assert.Contains(t, sum, c.group)
	}
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestLadderFailsIfTheClusterIsChanged(t *testing.T) {
	t.Setenv(fakeCollector, "write")
	opts := testOptions(t)
	opts.ladder = true
	err := run(t.Context(), opts, discard(t))
	require.ErrorContains(t, err, "tried to change the cluster in a dry run: DELETE /apis/apps/v1/namespaces/shop/deployments/orders-consumer")
}

func testOptions(t *testing.T) options {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return options{simulate: true, collector: self, log: filepath.Join(t.TempDir(), "collector.log"), metrics: anyAddress}
}

func discard(t *testing.T) *os.File {
	t.Helper()
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = out.Close() })
	return out
}
