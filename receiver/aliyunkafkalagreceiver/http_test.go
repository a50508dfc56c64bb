package aliyunkafkalagreceiver

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// TestConnections: the client keeps a connection for each worker, and a shutdown closes them.
func TestConnections(t *testing.T) {
	const workers = 3
	var mu sync.Mutex
	states := map[net.Conn]http.ConnState{}
	arrived, closed := make(chan struct{}, 100), make(chan struct{}, 100)
	release := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		states[c] = state
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()

	cfg := testConfig()
	cfg.MaxConcurrency = workers
	r, err := newReceiver(cfg, receivertest.NewNopSettings(metadata.Type), nil, nil, &instanceClaims{})
	require.NoError(t, err)
	client, err := r.httpClient(t.Context(), componenttest.NewNopHost())
	require.NoError(t, err)
	r.closeIdle = client.CloseIdleConnections
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	for range 2 {
		var calls sync.WaitGroup
		for range workers {
			calls.Go(func() {
				resp, err := client.Do(request.Clone(t.Context()))
				if assert.NoError(t, err) {
					assert.NoError(t, resp.Body.Close())
				}
			})
		}
		for range workers {
			<-arrived
		}
		for range workers {
			release <- struct{}{}
		}
		calls.Wait()
	}
	mu.Lock()
	assert.Len(t, states, workers, "each worker goes on using its connection")
	mu.Unlock()

	require.NoError(t, r.Shutdown(t.Context()))
	for range workers {
		<-closed
	}
}
