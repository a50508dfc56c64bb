package chain

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// APIProxy stands between a client and the API server. It gives the client an identity, keeps all of its writes, and can
// do something before and after each request.
type APIProxy struct {
	// Kubeconfig is the path of a file that leads here.
	Kubeconfig string

	mu     sync.Mutex
	writes []Write
	around func(after bool)
	away   bool
}

// Write is a request that may have changed something.
type Write struct {
	Method, Path string
	Body         []byte
	Status       int
}

// StartAPIProxy starts a proxy for a user; one of the group system:masters may do everything.
func (c *ControlPlane) StartAPIProxy(t testing.TB, user pkix.Name) *APIProxy {
	t.Helper()
	cert, key := c.ca.issue(filepath.Base(t.TempDir())+user.CommonName, user)
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	ca, err := os.ReadFile(c.ca.file())
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))

	p := &APIProxy{}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	target := &url.URL{Scheme: "https", Host: c.address}
	forward := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, forward) }))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	p.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(p.Kubeconfig, []byte(`apiVersion: v1
kind: Config
clusters: [{name: proxy, cluster: {server: "`+server.URL+`"}}]
contexts: [{name: proxy, context: {cluster: proxy, user: nobody}}]
users: [{name: nobody}]
current-context: proxy
`), 0o600))
	return p
}

func (p *APIProxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	around, away := p.next()
	if away {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	around(false)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	forward.ServeHTTP(answer, r.Clone(r.Context()))
	if r.Method != http.MethodGet {
		p.mu.Lock()
		p.writes = append(p.writes, Write{r.Method, r.URL.Path, body, answer.Code})
		p.mu.Unlock()
	}
	around(true)
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = answer.Body.WriteTo(w) // the client may have been killed
}

func (p *APIProxy) next() (around func(after bool), away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.around == nil {
		return func(bool) {}, p.away
	}
	return p.around, p.away
}

// Around has do called before and after each request, which waits for it.
func (p *APIProxy) Around(do func(after bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.around = do
}

// SetAway makes the API server fail or work.
func (p *APIProxy) SetAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// Writes returns the writes so far, without those of Events.
func (p *APIProxy) Writes() (writes []Write) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.writes {
		if !strings.Contains(w.Path, "/events") {
			writes = append(writes, w)
		}
	}
	return writes
}
