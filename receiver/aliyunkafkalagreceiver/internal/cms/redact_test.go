package cms

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assertNoSecret looks for parts of the secrets in err and everything it wraps, however it is printed.
func assertNoSecret(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			assert.NotContains(t, text, "sentinel")
		}
	}
}

func TestNoSecretFromTheService(t *testing.T) {
	escaped := url.QueryEscape(testToken)
	messages := map[string]string{
		"secret":               "you sent " + testSecret,
		"token":                "you sent " + testToken + " and " + testID,
		"canonical request":    "Specified signature is not matched with our calculation. server string to sign is:POST\n/\n\nx-acs-security-token:" + testToken + "\n",
		"escaped":              "string to sign is:POST&%2F&SecurityToken=" + escaped,
		"escaped twice":        "string to sign is:POST&%2F&SecurityToken%3D" + url.QueryEscape(escaped),
		"beyond the cut":       strings.Repeat("x ", 95) + testToken,
		"part of a long token": "token " + strings.Repeat("sentinel", 20),
		"proxy password":       "cannot reach http://user:sentinel@proxy:3128",
	}
	for name, message := range messages {
		for _, status := range []int{200, 400, 500} {
			t.Run(fmt.Sprintf("%s %d", name, status), func(t *testing.T) {
				body := fmt.Sprintf(`{"Code":"SignatureDoesNotMatch%s","Message":%q,"RequestId":%q}`, testID, message, testToken)
				c := staticClient(t, answer(status, http.Header{"X-Acs-Request-Id": {testToken}}, body))
				_, err := c.DescribeMetricList(t.Context(), testQuery)
				assert.Equal(t, KindBadCredentials, KindOf(err))
				assertNoSecret(t, err)
			})
		}
	}
}

func TestNoSecretFromTheTransport(t *testing.T) {
	tests := map[string]http.RoundTripper{
		"plain": failing{errors.New("invalid proxy address http://user:sentinel@proxy:3128")},
		"URL":   failing{&url.Error{Op: "Post", URL: "https://host/?token=sentinel", Err: &url.Error{Op: "parse", URL: "sentinel", Err: errors.New("broken")}}},
	}
	for name, transport := range tests {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, staticSettings("https://metrics.cn-hangzhou.aliyuncs.com", &http.Client{Transport: transport}))
			_, err := c.DescribeMetricList(t.Context(), testQuery)
			assert.Equal(t, KindNetwork, KindOf(err))
			assertNoSecret(t, err)
		})
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestNoSecretFromProviders(t *testing.T) {
	key := CredentialSettings{AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken, RoleARN: "acs:ram::1:role/r"}
	oidc := CredentialSettings{RoleARN: "acs:ram::1:role/r", OIDCProviderARN: "acs:ram::1:oidc-provider/p", OIDCTokenFile: tokenFile(t)}
	settings := map[CredentialType]CredentialSettings{
		CredentialDefault:     {},
		CredentialRAMRoleARN:  key,
		CredentialOIDCRoleARN: oidc,
		CredentialECSRAMRole:  {RoleName: "sentinel"},
		CredentialURI:         {URL: "http://user:sentinel@credentials.local/?key=sentinel"},
	}
	incomplete := fmt.Sprintf(`{"AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q}`, sessionID, sessionSecret, sessionToken)
	answers := map[string]http.HandlerFunc{
		"error that repeats the request": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"Code":"AuthenticationFail.Denied","Message":%q}`, fmt.Sprint(r.Form, r.URL, r.Header))
		},
		"secret in the code": answer(http.StatusForbidden, nil, fmt.Sprintf(`{"Code":%q}`, testID)),
		"text":               answer(http.StatusInternalServerError, nil, "sentinel"),
		"no JSON":            answer(http.StatusOK, nil, "sentinel"),
		"no expiration":      answer(http.StatusOK, nil, incomplete),
		"no expiration, STS": answer(http.StatusOK, nil, `{"Credentials":`+incomplete+`}`),
		"expiration is text": answer(http.StatusOK, nil, strings.Replace(incomplete, "}", `,"Code":"Success","Expiration":"sentinel"}`, 1)),
		"only a secret":      answer(http.StatusOK, nil, fmt.Sprintf(`{"AccessKeySecret":%q}`, sessionSecret)),
		"null":               answer(http.StatusOK, nil, `null`),
		"connection closed":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"redirect to nowhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "gopher://"+testSecret, http.StatusFound)
		},
	}
	for typ, s := range settings {
		for name, a := range answers {
			t.Run(string(typ)+" "+name, func(t *testing.T) {
				newCloud(t).answer = a
				s.Type = typ
				source, err := newCredentialSource(s)
				require.NoError(t, err)
				_, err = source.get(t.Context())
				require.Error(t, err)
				assert.NotEmpty(t, KindOf(err))
				require.ErrorContains(t, err, "no credentials of type "+string(typ))
				assertNoSecret(t, err)
			})
		}
	}
}

func TestProviderErrors(t *testing.T) {
	oidc := CredentialSettings{Type: CredentialOIDCRoleARN, RoleARN: "r", OIDCProviderARN: "p", OIDCTokenFile: tokenFile(t)}
	noToken := oidc
	noToken.OIDCTokenFile = "/nonexistent/token"
	ecs := CredentialSettings{Type: CredentialECSRAMRole}
	uri := CredentialSettings{Type: CredentialURI, URL: "http://credentials.local/"}
	closed := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	tests := map[string]struct {
		settings CredentialSettings
		answer   http.HandlerFunc
		kind     Kind
		want     []string
	}{
		"code":          {settings: oidc, answer: answer(400, nil, `{"Code":"AuthenticationFail.OIDCToken.Expired"}`), kind: KindBadCredentials, want: []string{"AuthenticationFail.OIDCToken.Expired", "the service that issues them refused", KindBadCredentials.Remedy()}},
		"may not":       {settings: oidc, answer: answer(403, nil, `{"Code":"NoPermission"}`), kind: KindBadCredentials, want: []string{"NoPermission"}},
		"clock":         {settings: oidc, answer: answer(400, nil, `{"Code":"InvalidTimeStamp.Expired"}`), kind: KindClockSkew},
		"throttled":     {settings: oidc, answer: answer(400, nil, `{"Code":"Throttling.User"}`), kind: KindThrottled},
		"server":        {settings: oidc, answer: answer(500, nil, `{"Code":"InternalError"}`), kind: KindServer},
		"no JSON":       {settings: oidc, answer: answer(502, nil, `<html>`), kind: KindBadCredentials, want: []string{"gave no usable answer"}},
		"no token file": {settings: noToken, kind: KindBadCredentials, want: []string{"open /nonexistent/token: no such file"}},
		"network":       {settings: oidc, answer: closed, kind: KindNetwork, want: []string{"EOF"}},
		"URI network":   {settings: uri, answer: closed, kind: KindNetwork, want: []string{"EOF"}},
		"no role":       {settings: ecs, answer: answer(404, nil, ""), kind: KindBadCredentials, want: []string{"HTTP status 404"}},
		"default":       {settings: CredentialSettings{Type: CredentialDefault}, answer: closed, kind: KindBadCredentials, want: []string{"the environment, OIDC,"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			newCloud(t).answer = tt.answer
			source, err := newCredentialSource(tt.settings)
			require.NoError(t, err)
			_, err = source.get(t.Context())
			assert.Equal(t, tt.kind, KindOf(err), err)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestFlattenedNetworkErrors(t *testing.T) {
	s := CredentialSettings{Type: CredentialECSRAMRole}
	e := s.error(errors.New(`refresh Ecs sts token err: Get "http://100.100.100.200/latest/x": dial tcp 100.100.100.200:80: i/o timeout`))
	assert.Equal(t, KindNetwork, e.Kind)
	assert.Equal(t, "no credentials of type ecs_ram_role: i/o timeout", e.Message)
}

func TestCleanMessage(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":   {in: "a b", want: "a b"},
		"lines":   {in: "a\r\n\tb\x1b[31m\u2028c", want: "a b [31m c"},
		"request": {in: "request id: 5B2A7F33-8F0E-5C2B-9B0A-0123456789AB", want: "request id: 5B2A7F33-8F0E-5C2B-9B0A-0123456789AB"},
		"long":    {in: strings.Repeat("消 ", 300), want: strings.Repeat("消 ", 100) + "…"},
		"bytes":   {in: "a\xffb", want: "a\uFFFDb"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := cleanMessage(tt.in)
			assert.Equal(t, tt.want, got)
			assert.True(t, utf8.ValidString(got))
		})
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{Kind: KindForbidden, Code: "AccessForbidden", Status: 403, Message: "no", RequestID: "R", RetryAfter: time.Second}
	require.EqualError(t, e, "forbidden: AccessForbidden (HTTP 403, request R): no; "+KindForbidden.Remedy())
	require.EqualError(t, &Error{Kind: KindCanceled}, "canceled")
	assert.EqualError(t, &Error{Kind: KindServer, Status: 502}, "server_error (HTTP 502); "+KindServer.Remedy())
}
