package alicloud

import (
	"cmp"
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

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
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
		"escaped":              "string to sign has " + escaped,
		"escaped twice":        "string to sign has " + url.QueryEscape(escaped),
		"beyond the cut":       strings.Repeat("x ", 95) + testToken,
		"part of a long token": "token " + strings.Repeat("sentinel", 20),
		"proxy password":       "cannot reach http://user:sentinel@proxy:3128",
	}
	for name, message := range messages {
		for _, status := range []int{200, 400, 500} {
			t.Run(fmt.Sprintf("%s %d", name, status), func(t *testing.T) {
				body := fmt.Sprintf(`{"Code":"SignatureDoesNotMatch%s","Message":%q,"RequestId":%q}`, testID, message, testToken)
				c := staticClient(t, alicloudtest.Answer(status, http.Header{"X-Acs-Request-Id": {testToken}}, body))
				err := ask(t.Context(), c)
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
			err := ask(t.Context(), c)
			assert.Equal(t, KindNetwork, KindOf(err))
			assertNoSecret(t, err)
		})
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestNoSecretFromThoseWhoIssueCredentials(t *testing.T) {
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
		"secret in the code": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"Code":%q}`, cmp.Or(r.FormValue("OIDCToken"), testID))
		},
		"text":               alicloudtest.Answer(http.StatusInternalServerError, nil, "sentinel"),
		"no JSON":            alicloudtest.Answer(http.StatusOK, nil, "sentinel"),
		"no expiration":      alicloudtest.Answer(http.StatusOK, nil, incomplete),
		"no expiration, STS": alicloudtest.Answer(http.StatusOK, nil, `{"Credentials":`+incomplete+`}`),
		"expiration is text": alicloudtest.Answer(http.StatusOK, nil, strings.Replace(incomplete, "}", `,"Code":"Success","Expiration":"sentinel"}`, 1)),
		"only a secret":      alicloudtest.Answer(http.StatusOK, nil, fmt.Sprintf(`{"AccessKeySecret":%q}`, sessionSecret)),
		"null":               alicloudtest.Answer(http.StatusOK, nil, `null`),
		"connection closed":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"redirect to nowhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "gopher://"+testSecret, http.StatusFound)
		},
	}
	for typ, s := range settings {
		for name, a := range answers {
			t.Run(string(typ)+" "+name, func(t *testing.T) {
				c := newCloud(t)
				c.answer = a
				s.Type = typ
				cache, _ := c.cache(t, s)
				_, err := cache.get(t.Context())
				require.Error(t, err)
				assert.NotEmpty(t, KindOf(err))
				require.ErrorContains(t, err, "no credentials of type "+string(typ))
				assertNoSecret(t, err)
			})
		}
	}
}

func TestCredentialErrors(t *testing.T) {
	oidc := CredentialSettings{Type: CredentialOIDCRoleARN, RoleARN: "r", OIDCProviderARN: "p", OIDCTokenFile: tokenFile(t)}
	role := CredentialSettings{Type: CredentialRAMRoleARN, RoleARN: "r", AccessKeyID: testID, AccessKeySecret: testSecret}
	noToken := oidc
	noToken.OIDCTokenFile = "/nonexistent/" + strings.Repeat("long/", 20) + "token"
	ecs := CredentialSettings{Type: CredentialECSRAMRole}
	uri := CredentialSettings{Type: CredentialURI, URL: "http://credentials.local/"}
	closed := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	tests := map[string]struct {
		settings CredentialSettings
		env      func(*testing.T)
		answer   http.HandlerFunc
		kind     Kind
		want     []string
	}{
		"code":          {settings: oidc, answer: alicloudtest.Answer(400, nil, `{"Code":"AuthenticationFail.OIDCToken.Expired","Message":"it is old","RequestId":"R"}`), kind: KindBadCredentials, want: []string{"no credentials of type oidc_role_arn: STS at sts.cn-hangzhou.aliyuncs.com: it is old", "AuthenticationFail.OIDCToken.Expired (HTTP 400, request R)", remedies[KindBadCredentials]}},
		"may not":       {settings: oidc, answer: alicloudtest.Answer(403, nil, `{"Code":"NoPermission"}`), kind: KindBadCredentials, want: []string{"NoPermission", "STS at sts.cn-hangzhou.aliyuncs.com;"}},
		"no role":       {settings: oidc, answer: alicloudtest.Answer(404, nil, `{"Code":"EntityNotExist.Role"}`), kind: KindBadCredentials},
		"quota":         {settings: oidc, answer: alicloudtest.Answer(400, nil, `{"Code":"LimitExceeded"}`), kind: KindBadCredentials},
		"bad key":       {settings: role, answer: alicloudtest.Answer(404, nil, `{"Code":"InvalidAccessKeyId.NotFound"}`), kind: KindBadCredentials, want: []string{"InvalidAccessKeyId.NotFound"}},
		"old session":   {settings: role, answer: alicloudtest.Answer(400, nil, `{"Code":"InvalidSecurityToken.Expired"}`), kind: KindExpiredToken},
		"clock":         {settings: oidc, answer: alicloudtest.Answer(400, nil, `{"Code":"InvalidTimeStamp.Expired"}`), kind: KindClockSkew},
		"throttled":     {settings: oidc, answer: alicloudtest.Answer(400, nil, `{"Code":"Throttling.User"}`), kind: KindThrottled},
		"server":        {settings: oidc, answer: alicloudtest.Answer(500, nil, `{"Code":"InternalError"}`), kind: KindServer},
		"HTML":          {settings: oidc, answer: alicloudtest.Answer(502, nil, `<html>`), kind: KindServer, want: []string{"HTTP 502", "STS at sts.cn-hangzhou.aliyuncs.com"}},
		"no JSON":       {settings: oidc, answer: alicloudtest.Answer(200, http.Header{"X-Acs-Request-Id": {"R"}}, `<html>`), kind: KindMalformedReply, want: []string{"(HTTP 200, request R)", "the reply has no session"}},
		"no session":    {settings: oidc, answer: alicloudtest.Answer(200, nil, `{"Credentials":null}`), kind: KindMalformedReply},
		"no token":      {settings: oidc, answer: alicloudtest.Answer(200, nil, `{"Credentials":{"AccessKeyId":"a","AccessKeySecret":"b","Expiration":"2099-01-01T00:00:00Z"}}`), kind: KindMalformedReply},
		"no end":        {settings: oidc, answer: alicloudtest.Answer(200, nil, `{"Credentials":{"AccessKeyId":"a","AccessKeySecret":"b","SecurityToken":"c"}}`), kind: KindMalformedReply},
		"redirect":      {settings: role, answer: alicloudtest.Answer(302, http.Header{"Location": {"https://elsewhere/"}}, ""), kind: KindMalformedReply, want: []string{"HTTP 302"}},
		"no token file": {settings: noToken, kind: KindBadCredentials, want: []string{"oidc_token_file: open /nonexistent/" + strings.Repeat("long/", 20) + "token: no such file or directory"}},
		"network":       {settings: oidc, answer: closed, kind: KindNetwork, want: []string{"STS at sts.cn-hangzhou.aliyuncs.com: EOF", remedies[KindNetwork]}},
		"default STS":   {settings: CredentialSettings{Type: CredentialDefault}, env: setOIDC, answer: closed, kind: KindNetwork, want: []string{"STS at sts.cn-hangzhou.aliyuncs.com: EOF"}},
		"URI may not":   {settings: uri, answer: alicloudtest.Answer(403, nil, `{"Code":"NoPermission"}`), kind: KindBadCredentials, want: []string{"NoPermission (HTTP 403)", "no credentials of type credentials_uri: credentials URI at credentials.local: the request was refused; " + remedies[KindBadCredentials]}},
		"URI no key":    {settings: uri, answer: alicloudtest.Answer(200, nil, `{"Code":"Success"}`), kind: KindBadCredentials, want: []string{"credentials URI at credentials.local: the reply has no session"}},
		"URI code":      {settings: uri, answer: alicloudtest.Answer(200, nil, strings.Replace(sessionJSON(time.Hour), "Success", "Failed", 1)), kind: KindBadCredentials, want: []string{"Failed (HTTP 200)", "the request was refused"}},
		"URI no ID":     {settings: uri, answer: alicloudtest.Answer(200, nil, strings.Replace(sessionJSON(time.Hour), sessionID, "", 1)), kind: KindBadCredentials},
		"URI no secret": {settings: uri, answer: alicloudtest.Answer(200, nil, strings.Replace(sessionJSON(time.Hour), sessionSecret, "", 1)), kind: KindBadCredentials},
		"URI old":       {settings: uri, answer: alicloudtest.Answer(200, nil, sessionJSON(-time.Hour)), kind: KindBadCredentials, want: []string{"the reply has no session"}},
		"URI too long":  {settings: uri, answer: alicloudtest.Answer(200, http.Header{"Content-Length": {"9000000"}}, ""), kind: KindBadCredentials, want: []string{"reply over 8 MiB"}},
		"URI redirect":  {settings: uri, answer: alicloudtest.Answer(302, http.Header{"Location": {"http://elsewhere/"}}, ""), kind: KindBadCredentials, want: []string{"HTTP 302"}},
		"URI throttled": {settings: uri, answer: alicloudtest.Answer(429, nil, ""), kind: KindThrottled},
		"URI network":   {settings: uri, answer: closed, kind: KindNetwork, want: []string{"credentials URI at credentials.local: EOF"}},
		"ECS network":   {settings: ecs, answer: closed, kind: KindNetwork, want: []string{"ECS metadata service at 100.100.100.200: EOF"}},
		"ECS redirect":  {settings: ecs, answer: alicloudtest.Answer(302, http.Header{"Location": {"http://elsewhere/"}}, ""), kind: KindBadCredentials, want: []string{"HTTP 302"}},
		"ECS too long":  {settings: ecs, answer: alicloudtest.Answer(200, http.Header{"Content-Length": {"9000000"}}, ""), kind: KindBadCredentials, want: []string{"reply over 8 MiB"}},
		"ECS blank":     {settings: ecs, answer: alicloudtest.Answer(200, nil, "\n"), kind: KindBadCredentials, want: []string{"the instance has no RAM role: attach one"}},
		"no ECS role":   {settings: ecs, answer: alicloudtest.Answer(404, nil, ""), kind: KindBadCredentials, want: []string{"(HTTP 404)", "ECS metadata service at 100.100.100.200: the request was refused"}},
		"default":       {settings: CredentialSettings{Type: CredentialDefault}, answer: closed, kind: KindBadCredentials, want: []string{"no credentials found; looked in: environment, OIDC,"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			if tt.env != nil {
				tt.env(t)
			}
			c.answer = tt.answer
			cache, _ := c.cache(t, tt.settings)
			_, err := cache.get(t.Context())
			assert.Equal(t, tt.kind, KindOf(err), err)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
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
	e := &Error{Kind: KindForbidden, Code: "AccessForbidden", Status: 403, Message: "no.", Remedy: "grant it", RequestID: "R", RetryAfter: time.Second}
	require.EqualError(t, e, "forbidden: AccessForbidden (HTTP 403, request R): no; grant it")
	require.EqualError(t, &Error{Kind: KindCanceled}, "canceled")
	assert.EqualError(t, &Error{Kind: KindServer, Status: 502}, "server_error (HTTP 502); "+remedies[KindServer])
}
