package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

// newClient returns an HTTP/2 client that trusts only the certificate of c.
func newClient(t *testing.T, c *CMS) (*http.Client, *http.Transport) {
	t.Helper()
	pem, err := os.ReadFile(c.CAFile)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, transport
}

func post(ctx context.Context, client *http.Client, rawURL string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, rawURL, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err == nil {
		err = resp.Body.Close()
	}
	return resp, err
}

func TestBlackhole(t *testing.T) {
	c := StartSecureCMS(t, cmssim.Scenario{})
	hole := NewBlackhole(t, c.Address)
	client, transport := newClient(t, c)
	resp, err := post(t.Context(), client, "https://"+hole.Address) //nolint:bodyclose // post closes it
	require.NoError(t, err)
	assert.Equal(t, "HTTP/2.0", resp.Proto)

	hole.Cut()
	before := c.RequestCount()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = post(ctx, client, "https://"+hole.Address) //nolint:bodyclose // there is none
	require.ErrorIs(t, err, context.DeadlineExceeded, "the connection stays open")
	assert.Equal(t, before, c.RequestCount(), "nothing comes through")
	assert.EqualValues(t, 1, hole.Connections.Load())

	transport.CloseIdleConnections()
	other, _ := newClient(t, c)
	_, err = post(t.Context(), other, "https://"+hole.Address) //nolint:bodyclose // post closes it
	require.NoError(t, err, "a new connection works")
	assert.EqualValues(t, 2, hole.Connections.Load())
}

// TestBlackholeKeepsThatTheServerCloses: a connection that was cut does not even end.
func TestBlackholeKeepsThatTheServerCloses(t *testing.T) {
	server, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	hole := NewBlackhole(t, server.Addr().String())
	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", hole.Address)
	require.NoError(t, err)
	defer client.Close()
	accepted, err := server.Accept()
	require.NoError(t, err)

	hole.Cut()
	require.NoError(t, accepted.Close())
	require.NoError(t, client.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestProxyLeadsToSTS(t *testing.T) {
	c := StartSecureCMS(t, cmssim.Scenario{})
	proxy := StartProxy(t, c.Address)
	client, transport := newClient(t, c)
	proxyURL, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	transport.Proxy = http.ProxyURL(proxyURL)
	resp, err := post(t.Context(), client, "https://sts-vpc.cn-hangzhou.aliyuncs.com/?"+url.Values{ //nolint:bodyclose // post closes it
		"Action": {"AssumeRoleWithOIDC"}, "Version": {"2015-04-01"}, "OIDCToken": {"token"}, "RoleSessionName": {"test"},
		"RoleArn": {"acs:ram::1:role/r"}, "OIDCProviderArn": {"acs:ram::1:oidc-provider/p"},
	}.Encode())
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, []string{"sts-vpc.cn-hangzhou.aliyuncs.com:443"}, proxy.Hosts())

	_, err = post(t.Context(), client, "https://sts.aliyuncs.com") //nolint:bodyclose // there is none
	require.ErrorContains(t, err, "certificate is valid for")
}
