package alicloud

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
)

const (
	askSTS     = "POST sts.cn-hangzhou.aliyuncs.com/ AssumeRole"
	askOIDC    = "POST sts.cn-hangzhou.aliyuncs.com/ AssumeRoleWithOIDC"
	askIMDS    = "PUT 100.100.100.200/latest/api/token"
	askIMDSFor = "GET 100.100.100.200/latest/meta-data/ram/security-credentials/"
)

// setOIDC sets what RRSA injects.
func setOIDC(t *testing.T) {
	t.Helper()
	t.Setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/env")
	t.Setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/env")
	t.Setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", tokenFile(t))
}

// setEnvironment sets variables, a configuration of the CLI with one profile, and a credentials file, unless they are empty.
func setEnvironment(t *testing.T, env map[string]string, profile, ini string) {
	t.Helper()
	for k, v := range env {
		t.Setenv(k, v)
	}
	config := `{"current":"p","profiles":[{"name":"other","mode":"AK"},{"name":"p",` + profile + `}]}`
	for name, f := range map[string]struct{ file, value, content string }{
		"ALIBABA_CLOUD_CONFIG_FILE":      {"config.json", profile, config},
		"ALIBABA_CLOUD_CREDENTIALS_FILE": {"credentials", ini, ini},
	} {
		if f.value != "" {
			path := filepath.Join(t.TempDir(), f.file)
			require.NoError(t, os.WriteFile(path, []byte(f.content), 0o600))
			t.Setenv(name, path)
		}
	}
}

// TestSources shows whom each type of credentials asks, and that the call to CMS is signed with the answer.
func TestSources(t *testing.T) {
	key := CredentialSettings{AccessKeyID: testID, AccessKeySecret: testSecret, RoleARN: "acs:ram::1:role/r", RoleSessionName: "s"}
	cliKey := fmt.Sprintf(`"access_key_id":%q,"access_key_secret":%q`, testID, testSecret)
	iniKey := "\naccess_key_id = " + testID + "\naccess_key_secret = `" + testSecret + "`\n"
	home := func(t *testing.T, name, content string) {
		t.Helper()
		path := filepath.Join(os.Getenv("HOME"), name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	defaultKey := map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": testSecret}
	tests := map[string]struct {
		typ      CredentialType
		settings CredentialSettings
		network  string
		env      map[string]string
		cli, ini string
		setUp    func(t *testing.T)
		asked    []string
		form     map[string]string // of the first request
		id       string            // that signs; empty for that of the session
		token    string
	}{
		"access key":              {typ: CredentialAccessKey, settings: key, id: testID},
		"access key of a session": {typ: CredentialAccessKey, settings: CredentialSettings{AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: "x"}, id: testID},
		"white space around keys": {
			typ:      CredentialSTS,
			settings: CredentialSettings{AccessKeyID: " " + testID + "\n", AccessKeySecret: "\t" + testSecret + "\r\n", SecurityToken: testToken + "\n"},
			id:       testID, token: testToken,
		},
		"session from the environment": {
			typ: CredentialSTS, id: testID, token: testToken,
			env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": testSecret, "ALIBABA_CLOUD_SECURITY_TOKEN": testToken},
		},
		"role with a key": {
			typ: CredentialRAMRoleARN, settings: key, asked: []string{askSTS},
			form: map[string]string{"RoleArn": "acs:ram::1:role/r", "RoleSessionName": "s", "DurationSeconds": "3600"},
		},
		"role with a session, in the VPC": {
			typ: CredentialRAMRoleARN, network: "vpc", env: map[string]string{"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/env"},
			settings: CredentialSettings{AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken + "\n"},
			asked:    []string{"POST sts-vpc.cn-hangzhou.aliyuncs.com/ AssumeRole"},
			form:     map[string]string{"RoleArn": "acs:ram::1:role/env", "RoleSessionName": "aliyunkafkalag"},
		},
		"OIDC": {
			typ:      CredentialOIDCRoleARN,
			settings: CredentialSettings{RoleARN: "acs:ram::1:role/r", OIDCProviderARN: "acs:ram::1:oidc-provider/p", OIDCTokenFile: tokenFile(t), RoleSessionName: "s"},
			asked:    []string{askOIDC},
			form: map[string]string{
				"Action": "AssumeRoleWithOIDC", "Version": "2015-04-01", "Format": "JSON", "DurationSeconds": "3600",
				"OIDCToken": "sentinel-oidc-token", "RoleArn": "acs:ram::1:role/r", "OIDCProviderArn": "acs:ram::1:oidc-provider/p", "RoleSessionName": "s",
			},
		},
		"OIDC from the environment, in the VPC": {
			typ: CredentialOIDCRoleARN, network: "vpc", setUp: setOIDC, env: map[string]string{"ALIBABA_CLOUD_ROLE_SESSION_NAME": "n"},
			asked: []string{"POST sts-vpc.cn-hangzhou.aliyuncs.com/ AssumeRoleWithOIDC"}, form: map[string]string{"RoleSessionName": "n"},
		},
		"ECS":             {typ: CredentialECSRAMRole, asked: []string{askIMDS, askIMDSFor, askIMDSFor + "found-role"}},
		"ECS with a role": {typ: CredentialECSRAMRole, settings: CredentialSettings{RoleName: "my-role"}, asked: []string{askIMDS, askIMDSFor + "my-role"}},
		"URI":             {typ: CredentialURI, settings: CredentialSettings{URL: "http://credentials.local/session\n"}, asked: []string{"GET credentials.local/session"}},

		"default, a key in the environment":            {typ: CredentialDefault, env: defaultKey, id: testID},
		"default, a key and a role in the environment": {typ: CredentialDefault, env: defaultKey, setUp: setOIDC, id: testID},
		"default, a session in the environment, with white space": {
			typ: CredentialDefault, id: testID, token: testToken,
			env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID + "\n", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": testSecret + "\n", "ALIBABA_CLOUD_SECURITY_TOKEN": testToken + "\n"},
		},
		"default, OIDC before a profile": {
			typ: CredentialDefault, asked: []string{askOIDC},
			setUp: func(t *testing.T) {
				setOIDC(t)
				home(t, ".aliyun/config.json", `{"current":"p","profiles":[{"name":"p","mode":"AK",`+cliKey+`}]}`)
			},
		},
		"default, a role and a token are not OIDC": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "", "ALIBABA_CLOUD_ECS_METADATA": "my-role"},
			asked: []string{askIMDS, askIMDSFor + "my-role"}, setUp: setOIDC,
		},
		"default, a role and a provider are not OIDC": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "", "ALIBABA_CLOUD_ECS_METADATA": "my-role"},
			asked: []string{askIMDS, askIMDSFor + "my-role"}, setUp: setOIDC,
		},
		"default, CLI profile before a file": {
			typ: CredentialDefault, id: testID,
			setUp: func(t *testing.T) {
				home(t, ".aliyun/config.json", `{"current":"p","profiles":[{"name":"p","mode":"AK",`+cliKey+`}]}`)
				home(t, ".alibabacloud/credentials", "[default]\ntype = ecs_ram_role\nrole_name = file-role\n")
			},
		},
		"default, a role alone is not OIDC": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/env", "ALIBABA_CLOUD_ECS_METADATA": "my-role"},
			asked: []string{askIMDS, askIMDSFor + "my-role"},
		},
		"default, CLI profile": {
			typ: CredentialDefault, id: testID,
			cli: `"mode":"AK",` + cliKey,
		},
		"default, CLI profile with a session": {
			typ: CredentialDefault, id: testID, token: testToken,
			cli: `"mode":"StsToken","sts_token":"` + testToken + `",` + cliKey,
		},
		"default, CLI profile with a role": {
			typ: CredentialDefault, asked: []string{askSTS}, form: map[string]string{"RoleArn": "r", "RoleSessionName": "n", "Policy": "{}", "ExternalId": "e"},
			cli: `"mode":"RamRoleArn","ram_role_arn":"r","ram_session_name":"n","policy":"{}","external_id":"e","sts_token":"old",` + cliKey,
		},
		"default, CLI profile with OIDC": {
			typ: CredentialDefault, asked: []string{askOIDC}, form: map[string]string{"RoleArn": "r", "OIDCProviderArn": "p"},
			cli: `"mode":"OIDC","ram_role_arn":"r","oidc_provider_arn":"p","oidc_token_file":"` + tokenFile(t) + `"`,
		},
		"default, CLI profile with an ECS role": {
			typ: CredentialDefault, asked: []string{askIMDS, askIMDSFor + "cli-role"},
			cli: `"mode":"EcsRamRole","ram_role_name":"cli-role"`,
		},
		"default, another CLI profile without a key, then a file": {
			typ: CredentialDefault, id: testID, env: map[string]string{"ALIBABA_CLOUD_PROFILE": "other"},
			cli: `"mode":"External"`, ini: "[other]\ntype = access_key" + iniKey,
		},
		"default, CLI profile disabled": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "True", "ALIBABA_CLOUD_ECS_METADATA": "my-role"},
			asked: []string{askIMDS, askIMDSFor + "my-role"},
			cli:   `"mode":"External"`,
		},
		"default, credentials file with a role": {
			typ: CredentialDefault, asked: []string{askSTS}, form: map[string]string{"RoleArn": "r", "RoleSessionName": "n", "Policy": "{}"},
			ini: "[default]\ntype = ram_role_arn\nrole_arn = r\nrole_session_name = n\npolicy = {}" + iniKey,
		},
		"default, credentials file with an ECS role": {
			typ: CredentialDefault, asked: []string{askIMDS, askIMDSFor + "file-role"},
			ini: "[default]\ntype = ecs_ram_role\nrole_name = file-role\n",
		},
		"default, nothing": {typ: CredentialDefault, asked: []string{askIMDS, askIMDSFor, askIMDSFor + "found-role"}},
		"default, ECS before the URI": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_CREDENTIALS_URI": "http://credentials.local/env"},
			asked: []string{askIMDS, askIMDSFor, askIMDSFor + "found-role"},
		},
		"default, URI": {
			typ: CredentialDefault, env: map[string]string{"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true", "ALIBABA_CLOUD_CREDENTIALS_URI": "http://credentials.local/env"},
			asked: []string{"GET credentials.local/env"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			if tt.setUp != nil {
				tt.setUp(t)
			}
			setEnvironment(t, tt.env, tt.cli, tt.ini)
			secret := testSecret
			if tt.id == "" {
				tt.id, secret, tt.token = sessionID, sessionSecret, sessionToken
			}
			c.answer = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Acs-Action") == "AssumeRole" {
					assert.NoError(t, alicloudtest.CheckSignature(r, testSecret))
					assert.Equal(t, strings.TrimSpace(tt.settings.SecurityToken), r.Header.Get("X-Acs-Security-Token"))
					assert.Equal(t, "2015-04-01", r.Header.Get("X-Acs-Version"))
				}
				if r.Header.Get("X-Acs-Action") == "AssumeRoleWithOIDC" {
					assert.Empty(t, r.Header.Get("Authorization"))
				}
				goodAnswer(w, r)
			}
			c.cms = func(w http.ResponseWriter, r *http.Request) {
				assert.Contains(t, r.Header.Get("Authorization"), " Credential="+tt.id+",")
				assert.Equal(t, tt.token, r.Header.Get("X-Acs-Security-Token"))
				assert.NoError(t, alicloudtest.CheckSignature(r, secret))
				_, _ = io.WriteString(w, goodReply)
			}
			tt.settings.Type = tt.typ
			s := c.settings(tt.settings)
			s.Network = tt.network
			client := newTestClient(t, s)
			assert.Empty(t, c.takeAsked(), "NewClient asked")
			err := ask(t.Context(), client)
			require.NoError(t, err)
			assert.Equal(t, tt.asked, c.takeAsked())
			for _, form := range c.forms[:min(len(c.forms), 1)] {
				for k, v := range form {
					assert.NotEqual(t, []string{""}, v, k)
				}
			}
			for k, v := range tt.form {
				assert.Equal(t, v, c.forms[0].Get(k), k)
			}
			err = ask(t.Context(), client)
			require.NoError(t, err)
			assert.Empty(t, c.takeAsked(), "a session that lasts was renewed")
		})
	}
}

// TestSettingsThatCannotWork shows what NewClient refuses.
func TestSettingsThatCannotWork(t *testing.T) {
	key := func(change func(*CredentialSettings)) CredentialSettings {
		s := CredentialSettings{Type: CredentialSTS, AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken}
		change(&s)
		return s
	}
	rrsa := []string{"ack-pod-identity-webhook", `pod-identity.alibabacloud.com/injection: "on"`, "pod-identity.alibabacloud.com/role-name", "re-create the pod"}
	tests := map[string]struct {
		settings CredentialSettings
		env      map[string]string
		cli, ini string
		want     []string
	}{
		"no ID":           {settings: key(func(s *CredentialSettings) { s.AccessKeyID = " " }), want: []string{"credentials::type sts: access_key_id is empty"}},
		"no secret":       {settings: key(func(s *CredentialSettings) { s.AccessKeySecret = "" }), want: []string{"access_key_secret is empty"}},
		"no token":        {settings: key(func(s *CredentialSettings) { s.SecurityToken = "" }), want: []string{"security_token is empty: set it, or ALIBABA_CLOUD_SECURITY_TOKEN"}},
		"ID in two lines": {settings: key(func(s *CredentialSettings) { s.AccessKeyID = "sentinel\nsentinel" }), want: []string{"access_key_id has a line break"}},
		"secret with NUL": {settings: key(func(s *CredentialSettings) { s.AccessKeySecret = "sentinel\x00sentinel" }), want: []string{"access_key_secret has a line break or another control character inside: remove it"}},
		"token with BOM":  {settings: key(func(s *CredentialSettings) { s.SecurityToken = "\ufeffsentinel" }), want: []string{"security_token has a line break"}},
		"role": {settings: key(func(s *CredentialSettings) {
			s.Type, s.RoleARN, s.AccessKeyID = CredentialRAMRoleARN, "r", "sentinel\tsentinel"
		}), want: []string{"ram_role_arn: access_key_id has"}},
		"role, token": {settings: key(func(s *CredentialSettings) {
			s.Type, s.RoleARN, s.SecurityToken = CredentialRAMRoleARN, "r", "sentinel\nsentinel"
		}), want: []string{"ram_role_arn: security_token has"}},
		"environment": {
			settings: CredentialSettings{Type: CredentialDefault}, want: []string{"type default: access_key_secret has"},
			env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "sentinel\nsentinel"},
		},
		"half a key in the environment": {
			settings: CredentialSettings{Type: CredentialDefault}, want: []string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET"},
			env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID},
		},
		"the other half": {
			settings: CredentialSettings{Type: CredentialDefault}, want: []string{"ALIBABA_CLOUD_ACCESS_KEY_ID"},
			env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET": testSecret},
		},
		"OIDC without a role": {settings: CredentialSettings{Type: CredentialOIDCRoleARN}, want: append(rrsa, "role_arn is empty: set it, or ALIBABA_CLOUD_ROLE_ARN")},
		"OIDC without a provider": {
			settings: CredentialSettings{Type: CredentialOIDCRoleARN, RoleARN: "r"}, want: append(rrsa, "oidc_provider_arn is empty: set it, or ALIBABA_CLOUD_OIDC_PROVIDER_ARN"),
		},
		"OIDC without a token": {
			settings: CredentialSettings{Type: CredentialOIDCRoleARN, RoleARN: "r", OIDCProviderARN: "p"}, want: append(rrsa, "oidc_token_file is empty: set it, or ALIBABA_CLOUD_OIDC_TOKEN_FILE"),
		},
		"no URL":     {settings: CredentialSettings{Type: CredentialURI}, want: []string{"url must be an http:// or https:// URL: set it, or ALIBABA_CLOUD_CREDENTIALS_URI"}},
		"bad URL":    {settings: CredentialSettings{Type: CredentialURI, URL: "http://user:sentinel@%zz"}, want: []string{"url must be an http"}},
		"no host":    {settings: CredentialSettings{Type: CredentialURI, URL: "http:sentinel"}, want: []string{"must be an http"}},
		"bad scheme": {settings: CredentialSettings{Type: CredentialURI, URL: "gopher://sentinel/"}, want: []string{"must be an http"}},
		"default, bad URL": {
			settings: CredentialSettings{Type: CredentialDefault}, env: map[string]string{"ALIBABA_CLOUD_CREDENTIALS_URI": "sentinel"},
			want: []string{"or ALIBABA_CLOUD_CREDENTIALS_URI in the environment"},
		},
		"ECS disabled": {settings: CredentialSettings{Type: CredentialECSRAMRole}, env: map[string]string{"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}, want: []string{"is disabled: unset ALIBABA_CLOUD_ECS_METADATA_DISABLED"}},
		"default, nothing": {
			settings: CredentialSettings{Type: CredentialDefault}, env: map[string]string{"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"},
			want: []string{"no credentials found; looked in: environment, OIDC, CLI profile, credentials file, ECS metadata service, credentials URI"},
		},
		"helper":              {settings: CredentialSettings{Type: CredentialDefault}, cli: `"mode":"External","process_command":"echo sentinel"`, want: []string{`profile "p" in `, `mode "External" cannot be used here: set credentials::type to access_key`}},
		"log-in":              {settings: CredentialSettings{Type: CredentialDefault}, cli: `"mode":"CloudSSO"`, want: []string{`mode "CloudSSO" cannot be used`}},
		"CLI role, no role":   {settings: CredentialSettings{Type: CredentialDefault}, cli: `"mode":"RamRoleArn","access_key_id":"a","access_key_secret":"b"`, want: []string{"role_arn is empty"}},
		"CLI, no JSON":        {settings: CredentialSettings{Type: CredentialDefault}, cli: `sentinel`, want: []string{"config.json is not a configuration of the Alibaba Cloud CLI"}},
		"CLI, no file":        {settings: CredentialSettings{Type: CredentialDefault}, env: map[string]string{"ALIBABA_CLOUD_CONFIG_FILE": "/nonexistent/c"}, want: []string{"ALIBABA_CLOUD_CONFIG_FILE: open /nonexistent/c"}},
		"no credentials file": {settings: CredentialSettings{Type: CredentialDefault}, env: map[string]string{"ALIBABA_CLOUD_CREDENTIALS_FILE": "/nonexistent/c"}, want: []string{"ALIBABA_CLOUD_CREDENTIALS_FILE: open /nonexistent/c"}},
		"file, bad type":      {settings: CredentialSettings{Type: CredentialDefault}, ini: "[default]\ntype = rsa_key_pair\n", want: []string{`section "default" in `, `type must be access_key, ram_role_arn or ecs_ram_role, not "rsa_key_pair"`}},
		"file, no key":        {settings: CredentialSettings{Type: CredentialDefault}, ini: "[default]\ntype = access_key\n", want: []string{"access_key_id is empty"}},
		"file, no INI":        {settings: CredentialSettings{Type: CredentialDefault}, ini: "[sentinel", want: []string{"is not a credentials file"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			setEnvironment(t, tt.env, tt.cli, tt.ini)
			_, err := NewClient(c.settings(tt.settings))
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			assertNoSecret(t, err)
		})
	}
}

// TestFailureNeverChangesTheIdentity covers the default chain: what is configured is asked, and nobody else.
func TestFailureNeverChangesTheIdentity(t *testing.T) {
	down := alicloudtest.Answer(http.StatusServiceUnavailable, nil, "down")
	tests := map[string]struct {
		settings CredentialSettings
		setUp    func(*testing.T)
		asked    []string
	}{
		"default, OIDC": {settings: CredentialSettings{Type: CredentialDefault}, setUp: setOIDC, asked: []string{askOIDC}},
		"default, ECS role by name": {
			settings: CredentialSettings{Type: CredentialDefault}, asked: []string{askIMDS, askIMDSFor + "r"},
			setUp: func(t *testing.T) { t.Setenv("ALIBABA_CLOUD_ECS_METADATA", "r") },
		},
		"OIDC": {settings: CredentialSettings{Type: CredentialOIDCRoleARN}, setUp: setOIDC, asked: []string{askOIDC}},
		"URI":  {settings: CredentialSettings{Type: CredentialURI, URL: "http://credentials.local/"}, asked: []string{"GET credentials.local/"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", "http://credentials.local/env")
			if tt.setUp != nil {
				tt.setUp(t)
			}
			cache, _ := c.cache(t, tt.settings)
			c.answer = down
			for range 2 {
				_, err := cache.get(t.Context())
				require.Error(t, err)
				assert.Equal(t, tt.asked, c.takeAsked())
			}
			c.answer = goodAnswer
			cred, err := cache.get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, sessionID, cred.id)
			assert.Equal(t, tt.asked, c.takeAsked())
		})
	}
}

// TestUnnamedRole shows that only a host of which nobody said that it has a role is passed over.
func TestUnnamedRole(t *testing.T) {
	c := newCloud(t)
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", "http://credentials.local/env")
	c.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "100.100.100.200" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		goodAnswer(w, r)
	}
	cache, _ := c.cache(t, CredentialSettings{Type: CredentialDefault})
	cred, err := cache.get(t.Context())
	require.NoError(t, err)
	assert.Equal(t, sessionID, cred.id)
	assert.Contains(t, c.takeAsked(), "GET credentials.local/env")
}
