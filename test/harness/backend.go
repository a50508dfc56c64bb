package harness

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Backend serves handler over HTTP and returns its URL.
func Backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// SecureBackend serves handler over HTTPS and HTTP/2, and returns its host and port and the file with its certificate.
func SecureBackend(t testing.TB, handler http.HandlerFunc) (address, caFile string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	caFile = startTLS(t, server)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.Listener.Addr().String(), caFile
}
