package alicloud

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
)

const (
	sessionID     = "STS.sentinel-session-id"
	sessionSecret = "sentinel-session-secret"
	sessionToken  = "sentinel-session-token"
)

// sessionJSON is a session that ends after d, as the metadata service and a credentials URI give it.
func sessionJSON(d time.Duration) string {
	return fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q,"Expiration":%q}`,
		sessionID, sessionSecret, sessionToken, time.Now().Add(d).UTC().Format("2006-01-02T15:04:05Z"))
}

// cloud stands for every host there is. It records who was asked for credentials.
type cloud struct {
	client *http.Client
	plain  net.Addr
	answer http.HandlerFunc // of those who issue credentials
	cms    http.HandlerFunc

	mu    sync.Mutex
	asked []string // method, host and path, and the action of a call to STS
	forms []url.Values
}

// newCloud leads its client, and the calls to the metadata service, to servers in this process.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	clearEnvironment(t)
	c := &cloud{answer: goodAnswer, cms: alicloudtest.Answer(http.StatusOK, nil, goodReply)}
	plain, encrypted := httptest.NewServer(c), httptest.NewTLSServer(c)
	c.plain = plain.Listener.Addr()
	proxy, err := url.Parse(plain.URL)
	require.NoError(t, err)
	roots := encrypted.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	transport := &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme == "http" {
				return proxy, nil
			}
			return nil, nil
		},
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "example.com"}}
			return d.DialContext(ctx, network, encrypted.Listener.Addr().String())
		},
	}
	c.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		plain.Close()
		encrypted.Close()
	})
	return c
}

func (c *cloud) settings(s CredentialSettings) Settings {
	return Settings{
		Endpoint: "https://metrics.cn-hangzhou.aliyuncs.com", Region: "cn-hangzhou", HTTPClient: c.client, Credentials: s,
		dialMetadata: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != "100.100.100.200:80" {
				return nil, fmt.Errorf("%s is not the metadata service", address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, c.plain.String())
		},
	}
}

// cache returns a cache of the credentials, and a clock for it.
func (c *cloud) cache(t *testing.T, s CredentialSettings) (*credentialCache, *time.Time) {
	t.Helper()
	settings := c.settings(s)
	issuers, err := newIssuers(newSender(c.client, ""), settings)
	require.NoError(t, err)
	cache, err := newCredentialCache(s, issuers)
	require.NoError(t, err)
	clock := time.Now()
	cache.now = func() time.Time { return clock }
	return cache, &clock
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.Host, "metrics.") {
		c.cms(w, r)
		return
	}
	_ = r.ParseForm()
	action := r.Header.Get("X-Acs-Action")
	c.mu.Lock()
	c.asked = append(c.asked, strings.TrimSpace(r.Method+" "+r.Host+r.URL.Path+" "+action))
	c.forms = append(c.forms, r.Form)
	c.mu.Unlock()
	c.answer(w, r)
}

func (c *cloud) takeAsked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

func goodAnswer(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.Host, "sts"):
		_, _ = io.WriteString(w, `{"RequestId":"r","Credentials":`+sessionJSON(time.Hour)+`}`)
	case r.URL.Path == "/latest/api/token":
		_, _ = io.WriteString(w, "metadata-token")
	case r.URL.Path == "/latest/meta-data/ram/security-credentials/":
		_, _ = io.WriteString(w, "found-role")
	default:
		_, _ = io.WriteString(w, sessionJSON(time.Hour))
	}
}

// clearEnvironment hides the credentials of whoever runs the tests.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
}

func tokenFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(name, []byte("sentinel-oidc-token"), 0o600))
	return name
}
