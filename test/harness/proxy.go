package harness

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is an HTTP proxy that leads every host to one address, so that no name has to be resolved.
type Proxy struct {
	URL string

	mu      sync.Mutex
	hosts   []string
	refused string
}

// StartProxy returns a proxy in front of an address. It and its connections end with the test.
func StartProxy(t testing.TB, address string) *Proxy {
	t.Helper()
	p := &Proxy{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		refused := p.add(r.Host)
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if refused {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
		forward(ctx, conn, address, &atomic.Bool{})
	}))
	p.URL = server.URL
	t.Cleanup(func() {
		server.Close()
		cancel()
		running.Wait()
	})
	return p
}

// Hosts returns the hosts that were asked for, each with its port, in the order of the requests.
func (p *Proxy) Hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hosts)
}

// Refuse makes one host, given with its port, unreachable; "" makes all reachable again.
func (p *Proxy) Refuse(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = host
}

// add takes note of a request and reports whether its host is unreachable.
func (p *Proxy) add(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = append(p.hosts, host)
	return host == p.refused
}
