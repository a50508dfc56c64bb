package cmssim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keys are what STS hands out.
type keys struct {
	AccessKeyID     string `json:"AccessKeyId"`
	AccessKeySecret string
	SecurityToken   string
	Expiration      time.Time
}

func role(changes ...string) url.Values {
	v := url.Values{"RoleArn": {"acs:ram::1:role/reader"}, "RoleSessionName": {"otelcol"}}
	for pair := range slices.Chunk(changes, 2) {
		v.Set(pair[0], pair[1])
	}
	return v
}

func oidc(changes ...string) url.Values {
	v := role("OIDCProviderArn", "acs:ram::1:oidc-provider/ack", "OIDCToken", "SENTINEL")
	for pair := range slices.Chunk(changes, 2) {
		v.Set(pair[0], pair[1])
	}
	return v
}

// sts changes a request to one for an action of STS.
func sts(action string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("x-acs-action", action)
		r.Header.Set("x-acs-version", "2015-04-01")
	}
}

// anonymous returns a request for AssumeRoleWithOIDC as the credentials library sends it: without a signature, the action in
// the query string and the rest in a form.
func (s *simulator) anonymous(params url.Values) *http.Request {
	r := s.request(s.t.Context(), url.Values{"Action": {"AssumeRoleWithOIDC"}, "Version": {"2015-04-01"}}, params.Encode(), nil)
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return r
}

func (s *simulator) keys(r *http.Request) keys {
	s.t.Helper()
	status, body := s.send(r)
	require.Equal(s.t, http.StatusOK, status, body)
	var reply struct{ Credentials keys }
	require.NoError(s.t, json.Unmarshal([]byte(body), &reply))
	return reply.Credentials
}

// askWith asks for points with the keys of a session.
func (s *simulator) askWith(k keys) (status int, body string) {
	s.t.Helper()
	r := s.request(s.t.Context(), s.params(), "", func(r *http.Request) { r.Header.Set("x-acs-security-token", k.SecurityToken) })
	sign(r, headersToSign(r), k.AccessKeyID, k.AccessKeySecret)
	return s.send(r)
}

func TestSessionKeys(t *testing.T) {
	s := start(t, Options{})
	sessions := map[string]keys{
		"AssumeRole":                     s.keys(s.request(t.Context(), role(), "", sts("AssumeRole"))),
		"AssumeRoleWithOIDC":             s.keys(s.request(t.Context(), oidc(), "", sts("AssumeRoleWithOIDC"))),
		"AssumeRoleWithOIDC, not signed": s.keys(s.anonymous(oidc())),
	}
	for name, k := range sessions {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, testStart.Add(time.Hour), k.Expiration)
			assert.True(t, strings.HasPrefix(k.AccessKeySecret, SessionSecretPrefix))
			assert.True(t, strings.HasPrefix(k.SecurityToken, SessionTokenPrefix))
			status, body := s.askWith(k)
			assert.Equal(t, http.StatusOK, status, body)
			for code, spoil := range map[string]func(*keys){
				"InvalidAccessKeyId.NotFound":                func(k *keys) { k.AccessKeyID += "0" },
				"SignatureDoesNotMatch":                      func(k *keys) { k.AccessKeySecret += "0" },
				"InvalidSecurityToken.MismatchWithAccessKey": func(k *keys) { k.SecurityToken += "0" },
			} {
				wrong := k
				spoil(&wrong)
				status, body := s.askWith(wrong)
				assert.NotEqual(t, http.StatusOK, status)
				assert.Contains(t, body, code)
			}
		})
	}
	s.clock.advance(time.Hour - time.Second)
	status, _ := s.askWith(sessions["AssumeRole"])
	assert.Equal(t, http.StatusOK, status)
	s.clock.advance(time.Second)
	status, body := s.askWith(sessions["AssumeRole"])
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body, "InvalidSecurityToken.Expired")
	assert.NotContains(t, body, SessionTokenPrefix)
	assert.Equal(t, "AssumeRole", s.Requests()[0].Action)
	assert.Equal(t, OutcomeOK, s.Requests()[0].Outcome)
	assert.Equal(t, "AssumeRoleWithOIDC", s.Requests()[2].Action)
}

func TestSTSRejects(t *testing.T) {
	s := start(t, Options{})
	tests := map[string]struct {
		request *http.Request
		code    string
	}{
		"no role":          {s.request(t.Context(), role("RoleArn", ""), "", sts("AssumeRole")), "InvalidParameter.RoleArn"},
		"no session name":  {s.request(t.Context(), role("RoleSessionName", "a b"), "", sts("AssumeRole")), "InvalidParameter.RoleSessionName"},
		"no provider":      {s.anonymous(oidc("OIDCProviderArn", "SENTINEL")), "InvalidParameter.OIDCProviderArn"},
		"no token":         {s.anonymous(oidc("OIDCToken", "SENTINEL\n")), "InvalidParameter.OIDCToken"},
		"no role for OIDC": {s.anonymous(oidc("RoleArn", "")), "InvalidParameter.RoleArn"},
		"other version":    {s.request(t.Context(), role(), "", func(r *http.Request) { r.Header.Set("x-acs-action", "AssumeRole") }), "InvalidApi.NotFound"},
		"other action":     {s.request(t.Context(), role(), "", sts("GetCallerIdentity")), "InvalidApi.NotFound"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, e := s.refusal(tt.request)
			assert.Equal(t, tt.code, e["Code"])
			assert.NotContains(t, e["Message"], "SENTINEL")
		})
	}
}

// TestDate: replies have the server's time, errors as well, so that a client can tell how far its clock is off.
func TestDate(t *testing.T) {
	s := start(t, Options{})
	s.SetClockOffset(-time.Hour)
	want := testStart.Add(-time.Hour).Format(http.TimeFormat)
	good, rejected, failing := s.request(t.Context(), s.params(), "", nil), s.anonymous(nil), s.request(t.Context(), s.params(), "", nil)
	for _, r := range []*http.Request{good, rejected, failing} {
		resp, err := s.http.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, resp.Header.Get("Date"))
		require.NoError(t, s.InjectFault(Fault{Kind: FaultBadGateway}))
	}
}
