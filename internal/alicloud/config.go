package alicloud

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
)

// CredentialsConfig is the section credentials of a component: how it signs its calls. Type decides which of the other keys are used.
type CredentialsConfig struct {
	// Type is default, access_key, sts, ram_role_arn, oidc_role_arn, ecs_ram_role or credentials_uri. The default type
	// uses the keys below when they are set and otherwise asks, in this order: environment, OIDC (RRSA), CLI profile,
	// credentials file, ECS RAM role, credentials URI.
	Type string `mapstructure:"type"`

	AccessKeyID     configopaque.String `mapstructure:"access_key_id"`
	AccessKeySecret configopaque.String `mapstructure:"access_key_secret"`
	SecurityToken   configopaque.String `mapstructure:"security_token"`

	// RoleARN is the RAM role to assume, acs:ram::<account>:role/<name>.
	RoleARN string `mapstructure:"role_arn"`
	// RoleSessionName names the session in the account's audit log.
	RoleSessionName string `mapstructure:"role_session_name"`
	// OIDCProviderARN and OIDCTokenFile are injected by ACK's RRSA when they are not set here.
	OIDCProviderARN string `mapstructure:"oidc_provider_arn"`
	OIDCTokenFile   string `mapstructure:"oidc_token_file"`
	// RoleName is the RAM role of the ECS instance; empty asks the instance for it.
	RoleName string `mapstructure:"role_name"`
	// URL answers with a session's keys. It may hold a secret.
	URL configopaque.String `mapstructure:"url"`

	_ struct{} // prevents unkeyed literals
}

// CredentialTypes are the values of CredentialsConfig.Type.
var CredentialTypes = []CredentialType{
	CredentialDefault, CredentialAccessKey, CredentialSTS, CredentialRAMRoleARN,
	CredentialOIDCRoleARN, CredentialECSRAMRole, CredentialURI,
}

// requiredKeys are the keys that a type cannot do without.
var requiredKeys = map[CredentialType][]string{
	CredentialAccessKey:   {"access_key_id", "access_key_secret"},
	CredentialSTS:         {"access_key_id", "access_key_secret", "security_token"},
	CredentialRAMRoleARN:  {"access_key_id", "access_key_secret", "role_arn"},
	CredentialOIDCRoleARN: {"role_arn", "oidc_provider_arn", "oidc_token_file"},
	CredentialURI:         {"url"},
}

// credentialKey is a key of the section. The SDK reads the environment variable env in its place.
type credentialKey struct{ name, value, env string }

// problems are what is wrong with the section. Each begins with the path of its key.
type problems []error

func (p *problems) failf(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// check adds an error unless ok.
func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		p.failf(format, args...)
	}
}

// Problems returns what is wrong with the section. Each error begins with the path of its key, credentials::<key>. It is
// not called Validate, which confmap would call and prefix with the path again.
func (c *CredentialsConfig) Problems() []error {
	var p problems
	c.validate(&p)
	return p
}

func (c *CredentialsConfig) validate(p *problems) {
	keys := []credentialKey{
		{"access_key_id", trimmed(c.AccessKeyID), ""},
		{"access_key_secret", trimmed(c.AccessKeySecret), ""},
		{"security_token", trimmed(c.SecurityToken), ""},
		{"role_arn", c.RoleARN, "ALIBABA_CLOUD_ROLE_ARN"},
		{"oidc_provider_arn", c.OIDCProviderARN, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"},
		{"oidc_token_file", c.OIDCTokenFile, "ALIBABA_CLOUD_OIDC_TOKEN_FILE"},
		{"url", string(c.URL), "ALIBABA_CLOUD_CREDENTIALS_URI"},
	}
	for _, key := range keys[:3] {
		p.check(!strings.ContainsFunc(key.value, func(r rune) bool { return !unicode.IsPrint(r) }),
			"credentials::%s: has a line break or another control character inside; copy the key again", key.name)
	}
	kind := CredentialType(c.Type)
	if !slices.Contains(CredentialTypes, kind) {
		p.failf("credentials::type: must be one of %q, not %q", CredentialTypes, c.Type)
		return
	}
	c.validateRequired(p, kind, keys)
	p.check(c.RoleARN == "" || strings.HasPrefix(c.RoleARN, "acs:ram::"),
		"credentials::role_arn: must be like acs:ram::<account>:role/<name>, not %q", c.RoleARN)
	p.check(c.RoleARN == "" || kind != CredentialDefault,
		"credentials::role_arn: is not used when type is default; set type to ram_role_arn or oidc_role_arn")
	p.check(trimmed(c.SecurityToken) == "" || kind != CredentialAccessKey,
		"credentials::security_token: is not used when type is access_key; set type to sts")
	if kind == CredentialURI && c.URL != "" {
		u, err := url.Parse(string(c.URL))
		p.check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "credentials::url: must be an http:// or https:// URL")
	}
}

// The networks in which a service can be asked.
const (
	NetworkPublic = "public"
	NetworkVPC    = "vpc"
)

// regionPattern keeps a region from changing the host it becomes a part of.
var regionPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// ServiceProblems returns what is wrong with the keys region, network and endpoint of a component, the last of which may
// be empty. Each error begins with the key.
func ServiceProblems(region, network, endpoint string) []error {
	var p problems
	p.check(region != "", "region: must be set, for example to cn-hangzhou; if it is taken from a variable, set that")
	p.check(region == "" || regionPattern.MatchString(region), "region: must be a region ID such as cn-hangzhou, not %q", region)
	p.check(network == NetworkPublic || network == NetworkVPC, "network: must be %q or %q, not %q", NetworkPublic, NetworkVPC, network)
	if endpoint != "" {
		err := CheckEndpoint(endpoint)
		p.check(err == nil, "endpoint: %w", err)
	}
	return p
}

// HTTPProblems returns what is wrong with the section http of a component that sends signed calls. Each error begins with
// the path of its key, http::<key>.
func HTTPProblems(c *confighttp.ClientConfig) []error {
	var p problems
	p.check(c.Endpoint == "", "http::endpoint: is not used here; set endpoint instead")
	if c.ProxyURL != "" {
		u, err := url.Parse(c.ProxyURL)
		// The value may hold a password, so it is not repeated.
		p.check(err == nil && u.Host != "", "http::proxy_url: must be a URL such as http://proxy:3128")
	}
	// Both would replace the signature of the calls.
	p.check(!c.Auth.HasValue(), "http::auth: is not used here; calls are signed with credentials, remove it")
	p.check(!c.Compression.IsCompressed(), "http::compression: is not used here; the signature covers the body as it is, remove it")
	for name := range c.Headers.Iter {
		lower := strings.ToLower(name)
		p.check(lower != "authorization" && lower != "host" && !strings.HasPrefix(lower, "x-acs-"),
			"http::headers: %q must not be set; calls are signed with credentials, remove it", name)
	}
	return p
}

func (c *CredentialsConfig) validateRequired(p *problems, kind CredentialType, keys []credentialKey) {
	required := requiredKeys[kind]
	if kind == CredentialDefault && trimmed(c.AccessKeyID+c.AccessKeySecret+c.SecurityToken) != "" {
		required = requiredKeys[CredentialAccessKey] // a part of the keys is a mistake; none is the usual case
	}
	complete := true
	for _, key := range keys {
		if !slices.Contains(required, key.name) || key.value != "" || os.Getenv(key.env) != "" {
			continue
		}
		complete = false
		instead := ""
		if key.env != "" {
			instead = ", here or as " + key.env + " in the environment"
		}
		p.failf("credentials::%s: must be set when type is %s%s", key.name, c.Type, instead)
	}
	p.check(complete || kind != CredentialOIDCRoleARN,
		"credentials::type: oidc_role_arn needs what RRSA injects on ACK; what is usually missing: the add-on ack-pod-identity-webhook, "+
			`the label pod-identity.alibabacloud.com/injection: "on" of the namespace, `+
			"or the annotation pod-identity.alibabacloud.com/role-name of the ServiceAccount; re-create the pod afterwards")
}

// trimmed returns a key without the white space around it: files and Secrets often end with a line break.
func trimmed(key configopaque.String) string {
	return strings.TrimSpace(string(key))
}

// Settings returns the credentials for a [Client].
func (c *CredentialsConfig) Settings() CredentialSettings {
	s := CredentialSettings{
		Type:        CredentialType(c.Type),
		AccessKeyID: trimmed(c.AccessKeyID), AccessKeySecret: trimmed(c.AccessKeySecret), SecurityToken: trimmed(c.SecurityToken),
		RoleARN: c.RoleARN, RoleSessionName: c.RoleSessionName, RoleName: c.RoleName,
		OIDCProviderARN: c.OIDCProviderARN, OIDCTokenFile: c.OIDCTokenFile, URL: string(c.URL),
	}
	if s.Type == CredentialDefault && s.AccessKeyID != "" {
		s.Type = CredentialAccessKey
		if s.SecurityToken != "" {
			s.Type = CredentialSTS
		}
	}
	return s
}
