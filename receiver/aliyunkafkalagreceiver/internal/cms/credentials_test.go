package cms

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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// cloud stands for every host the SDK's providers ask. It records who was asked.
type cloud struct {
	answer func(w http.ResponseWriter, r *http.Request)

	mu    sync.Mutex
	asked []string // method, host and path, and the Action of a call to STS
	forms []url.Values
}

// newCloud leads what the SDK sends with http.DefaultTransport, which its providers clone, to a server in this process.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	clearEnvironment(t)
	c := &cloud{answer: goodAnswer}
	plain, encrypted := httptest.NewServer(c), httptest.NewTLSServer(c)
	proxy, err := url.Parse(plain.URL)
	require.NoError(t, err)
	roots := encrypted.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	original := http.DefaultTransport
	http.DefaultTransport = &http.Transport{
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
	t.Cleanup(func() {
		http.DefaultTransport = original
		plain.Close()
		encrypted.Close()
	})
	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	c.mu.Lock()
	c.asked = append(c.asked, strings.TrimSpace(r.Method+" "+r.Host+r.URL.Path+" "+r.Form.Get("Action")))
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

const (
	askSTS     = "POST sts.aliyuncs.com/ AssumeRole"
	askOIDC    = "POST sts.aliyuncs.com/ AssumeRoleWithOIDC"
	askIMDS    = "PUT 100.100.100.200/latest/api/token"
	askIMDSFor = "GET 100.100.100.200/latest/meta-data/ram/security-credentials/"
)

// TestProviders shows whom each type of credentials asks, and that the call to CMS is signed with the answer.
func TestProviders(t *testing.T) {
	key := CredentialSettings{AccessKeyID: testID, AccessKeySecret: testSecret, RoleARN: "acs:ram::1:role/r", RoleSessionName: "s"}
	tests := map[string]struct {
		typ      CredentialType
		settings CredentialSettings
		env      map[string]string
		oidc     bool // the OIDC token file is given by env
		asked    []string
		form     map[string]string // of the first request
		id       string
		secret   string
		token    string
		provider string
	}{
		"access key": {
			typ: CredentialAccessKey, settings: key, id: testID, secret: testSecret, provider: "static_ak",
		},
		"session": {
			typ: CredentialSTS, settings: CredentialSettings{AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken},
			id: testID, secret: testSecret, token: testToken, provider: "static_sts",
		},
		"role with a key": {
			typ: CredentialRAMRoleARN, settings: key, asked: []string{askSTS},
			form:     map[string]string{"AccessKeyId": testID, "RoleArn": "acs:ram::1:role/r", "RoleSessionName": "s", "SecurityToken": ""},
			provider: "ram_role_arn/static_ak",
		},
		"role with a session": {
			typ:      CredentialRAMRoleARN,
			settings: CredentialSettings{AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken, RoleARN: "acs:ram::1:role/r"},
			asked:    []string{askSTS}, form: map[string]string{"SecurityToken": testToken}, provider: "ram_role_arn/static_sts",
		},
		"OIDC": {
			typ:      CredentialOIDCRoleARN,
			settings: CredentialSettings{RoleARN: "acs:ram::1:role/r", OIDCProviderARN: "acs:ram::1:oidc-provider/p", OIDCTokenFile: tokenFile(t), RoleSessionName: "s"},
			asked:    []string{askOIDC},
			form: map[string]string{
				"OIDCToken": "sentinel-oidc-token", "RoleArn": "acs:ram::1:role/r", "OIDCProviderArn": "acs:ram::1:oidc-provider/p", "RoleSessionName": "s",
			},
			provider: "oidc_role_arn",
		},
		"OIDC from the environment": {
			typ: CredentialOIDCRoleARN, oidc: true,
			env:   map[string]string{"ALIBABA_CLOUD_STS_REGION": "cn-hangzhou", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"},
			asked: []string{"POST sts-vpc.cn-hangzhou.aliyuncs.com/ AssumeRoleWithOIDC"}, provider: "oidc_role_arn",
		},
		"ECS": {
			typ: CredentialECSRAMRole, asked: []string{askIMDS, askIMDSFor, askIMDS, askIMDSFor + "found-role"}, provider: "ecs_ram_role",
		},
		"ECS with a role": {
			typ: CredentialECSRAMRole, settings: CredentialSettings{RoleName: "my-role"}, asked: []string{askIMDS, askIMDSFor + "my-role"}, provider: "ecs_ram_role",
		},
		"URI": {
			typ: CredentialURI, settings: CredentialSettings{URL: "http://credentials.local/session"}, asked: []string{"GET credentials.local/session"}, provider: "credential_uri",
		},
		"default, a key in the environment": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": testSecret},
			id: testID, secret: testSecret, provider: "default/env",
		},
		"default, OIDC in the environment": {
			typ: CredentialDefault, oidc: true, asked: []string{askOIDC}, provider: "default/oidc_role_arn",
		},
		"default, nothing": {
			typ: CredentialDefault, asked: []string{askIMDS, askIMDSFor, askIMDS, askIMDSFor + "found-role"}, provider: "default/ecs_ram_role",
		},
		"default, URI": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true", "ALIBABA_CLOUD_CREDENTIALS_URI": "http://credentials.local/env"},
			asked: []string{"GET credentials.local/env"}, provider: "default/credential_uri",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			if tt.oidc {
				t.Setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/env")
				t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/env")
				t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", tokenFile(t))
			}
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			if tt.id == "" {
				tt.id, tt.secret, tt.token = sessionID, sessionSecret, sessionToken
			}
			endpoint, httpClient := serve(t, func(w http.ResponseWriter, r *http.Request) {
				assert.Contains(t, r.Header.Get("Authorization"), " Credential="+tt.id+",")
				assert.Equal(t, tt.token, r.Header.Get("X-Acs-Security-Token"))
				assert.Equal(t, tt.provider, r.Header.Get("X-Acs-Credentials-Provider"))
				assert.NoError(t, checkSignature(r, tt.secret))
				_, _ = io.WriteString(w, onePoint)
			})
			tt.settings.Type = tt.typ
			client := newTestClient(t, Settings{Endpoint: endpoint, HTTPClient: httpClient, Credentials: tt.settings})
			assert.Empty(t, c.takeAsked(), "NewClient asked")
			_, err := client.DescribeMetricList(t.Context(), testQuery)
			require.NoError(t, err)
			assert.Equal(t, tt.asked, c.takeAsked())
			for k, v := range tt.form {
				assert.Equal(t, v, c.forms[0].Get(k), k)
			}
			_, err = client.DescribeMetricList(t.Context(), testQuery)
			require.NoError(t, err)
			assert.Empty(t, c.takeAsked(), "a session that lasts was renewed")
		})
	}
}

// TestProviderAskedAgainAfterFailure covers the default chain above all: the SDK's own sticks to its last provider.
func TestProviderAskedAgainAfterFailure(t *testing.T) {
	tests := map[string]struct {
		settings CredentialSettings
		asked    []string // the second time
	}{
		"default": {settings: CredentialSettings{Type: CredentialDefault}, asked: []string{askOIDC}},
		"OIDC":    {settings: CredentialSettings{Type: CredentialOIDCRoleARN}, asked: []string{askOIDC}},
		"URI":     {settings: CredentialSettings{Type: CredentialURI, URL: "http://credentials.local/"}, asked: []string{"GET credentials.local/"}},
		"ECS":     {settings: CredentialSettings{Type: CredentialECSRAMRole, RoleName: "r"}, asked: []string{askIMDS, askIMDSFor + "r"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			t.Setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/env")
			t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/env")
			t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", tokenFile(t))
			source, err := newCredentialSource(tt.settings)
			require.NoError(t, err)

			c.answer = answer(http.StatusServiceUnavailable, nil, "down")
			_, err = source.get(t.Context())
			require.Error(t, err)
			assert.NotEmpty(t, c.takeAsked())

			c.answer = goodAnswer
			cred, err := source.get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, sessionID, cred.AccessKeyId)
			assert.Equal(t, tt.asked, c.takeAsked())
		})
	}
}
