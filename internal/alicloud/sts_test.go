package alicloud

import (
	"context"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func oidcSettings(t *testing.T) CredentialSettings {
	t.Helper()
	return CredentialSettings{Type: CredentialOIDCRoleARN, RoleARN: "r", OIDCProviderARN: "p", OIDCTokenFile: tokenFile(t)}
}

func TestTokenFileIsReadAtEachRenewal(t *testing.T) {
	c := newCloud(t)
	s := oidcSettings(t)
	cache, clock := c.cache(t, s)
	_, err := cache.get(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.OIDCTokenFile, []byte("rotated\n"), 0o600))
	*clock = clock.Add(time.Hour)
	_, err = cache.get(t.Context())
	require.NoError(t, err)
	require.Len(t, c.forms, 2)
	assert.Equal(t, "sentinel-oidc-token", c.forms[0].Get("OIDCToken"))
	assert.Equal(t, "rotated", c.forms[1].Get("OIDCToken"))
	assert.NotEqual(t, c.forms[0].Get("SignatureNonce"), c.forms[1].Get("SignatureNonce"))
}

// TestSessionLastsByTheClockOfSTS has a local clock that is wrong by a day.
func TestSessionLastsByTheClockOfSTS(t *testing.T) {
	c := newCloud(t)
	there := time.Now().Add(24 * time.Hour)
	for date, want := range map[string]time.Duration{there.UTC().Format(http.TimeFormat): time.Hour, "": 25 * time.Hour} {
		c.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = []string{date}
			if date == "" {
				w.Header()["Date"] = nil
			}
			_, _ = io.WriteString(w, `{"Credentials":`+sessionJSON(25*time.Hour)+`}`)
		}
		cache, _ := c.cache(t, oidcSettings(t))
		cred, err := cache.get(t.Context())
		require.NoError(t, err)
		assert.InDelta(t, want.Seconds(), cred.lifetime.Seconds(), 5)
	}
}

func TestSTSEndpoint(t *testing.T) {
	tests := map[string]struct {
		settings Settings
		want     endpoint
	}{
		"public":  {settings: Settings{Region: "cn-hangzhou", Network: "public"}, want: endpoint{"https", "sts.cn-hangzhou.aliyuncs.com"}},
		"VPC":     {settings: Settings{Region: "cn-hangzhou", Network: "vpc"}, want: endpoint{"https", "sts-vpc.cn-hangzhou.aliyuncs.com"}},
		"central": {want: endpoint{"https", "sts.aliyuncs.com"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := newIssuers(nil, tt.settings)
			require.NoError(t, err)
			assert.Equal(t, tt.want, s.sts)
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCallsToIssuersEnd(t *testing.T) {
	clearEnvironment(t)
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		deadline, ok := r.Context().Deadline()
		assert.True(t, ok)
		assert.WithinDuration(t, time.Now().Add(issuerTimeout), deadline, issuerTimeout/2)
		return nil, context.DeadlineExceeded
	})}
	issuers, err := newIssuers(newSender(client, ""), Settings{})
	require.NoError(t, err)
	assert.Equal(t, time.Second, issuers.metadata.client.Timeout)
	for name, s := range map[string]CredentialSettings{
		"STS at sts.aliyuncs.com": oidcSettings(t), "credentials URI at uri.local": {Type: CredentialURI, URL: "http://uri.local"},
	} {
		ask, err := s.source(issuers)
		require.NoError(t, err)
		_, err = ask(t.Context())
		assert.Equal(t, KindNetwork, KindOf(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, name+": context deadline exceeded")
	}
}

func TestSTSHonoursTheContext(t *testing.T) {
	c := newCloud(t)
	arrived := make(chan struct{})
	c.answer = func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}
	client := newTestClient(t, c.settings(oidcSettings(t)))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	err := ask(ctx, client)
	assert.Equal(t, KindCanceled, KindOf(err))
	assert.ErrorIs(t, err, context.Canceled)
}
