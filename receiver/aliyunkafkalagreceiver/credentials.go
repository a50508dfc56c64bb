package aliyunkafkalagreceiver

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

// CredentialsConfig is how the receiver signs its calls. Type decides which of the other keys are used.
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

// credentialTypes are the values of CredentialsConfig.Type.
var credentialTypes = []cms.CredentialType{
	cms.CredentialDefault, cms.CredentialAccessKey, cms.CredentialSTS, cms.CredentialRAMRoleARN,
	cms.CredentialOIDCRoleARN, cms.CredentialECSRAMRole, cms.CredentialURI,
}

// requiredKeys are the keys that a type cannot do without.
var requiredKeys = map[cms.CredentialType][]string{
	cms.CredentialAccessKey:   {"access_key_id", "access_key_secret"},
	cms.CredentialSTS:         {"access_key_id", "access_key_secret", "security_token"},
	cms.CredentialRAMRoleARN:  {"access_key_id", "access_key_secret", "role_arn"},
	cms.CredentialOIDCRoleARN: {"role_arn", "oidc_provider_arn", "oidc_token_file"},
	cms.CredentialURI:         {"url"},
}

// credentialKey is a key of the section. The SDK reads the environment variable env in its place.
type credentialKey struct{ name, value, env string }

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
	kind := cms.CredentialType(c.Type)
	if !slices.Contains(credentialTypes, kind) {
		p.failf("credentials::type: must be one of %q, not %q", credentialTypes, c.Type)
		return
	}
	c.validateRequired(p, kind, keys)
	p.check(c.RoleARN == "" || strings.HasPrefix(c.RoleARN, "acs:ram::"),
		"credentials::role_arn: must be like acs:ram::<account>:role/<name>, not %q", c.RoleARN)
	p.check(c.RoleARN == "" || kind != cms.CredentialDefault,
		"credentials::role_arn: is not used when type is default; set type to ram_role_arn or oidc_role_arn")
	p.check(trimmed(c.SecurityToken) == "" || kind != cms.CredentialAccessKey,
		"credentials::security_token: is not used when type is access_key; set type to sts")
	if kind == cms.CredentialURI && c.URL != "" {
		u, err := url.Parse(string(c.URL))
		p.check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "credentials::url: must be an http:// or https:// URL")
	}
}

func (c *CredentialsConfig) validateRequired(p *problems, kind cms.CredentialType, keys []credentialKey) {
	required := requiredKeys[kind]
	if kind == cms.CredentialDefault && trimmed(c.AccessKeyID+c.AccessKeySecret+c.SecurityToken) != "" {
		required = requiredKeys[cms.CredentialAccessKey] // a part of the keys is a mistake; none is the usual case
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
	p.check(complete || kind != cms.CredentialOIDCRoleARN,
		"credentials::type: oidc_role_arn needs what RRSA injects on ACK; what is usually missing: the add-on ack-pod-identity-webhook, "+
			`the label pod-identity.alibabacloud.com/injection: "on" of the namespace, `+
			"or the annotation pod-identity.alibabacloud.com/role-name of the ServiceAccount; re-create the pod afterwards")
}

// trimmed returns a key without the white space around it: files and Secrets often end with a line break.
func trimmed(key configopaque.String) string {
	return strings.TrimSpace(string(key))
}

// settings returns the credentials for the CloudMonitor client.
func (c *CredentialsConfig) settings() cms.CredentialSettings {
	s := cms.CredentialSettings{
		Type:        cms.CredentialType(c.Type),
		AccessKeyID: trimmed(c.AccessKeyID), AccessKeySecret: trimmed(c.AccessKeySecret), SecurityToken: trimmed(c.SecurityToken),
		RoleARN: c.RoleARN, RoleSessionName: c.RoleSessionName, RoleName: c.RoleName,
		OIDCProviderARN: c.OIDCProviderARN, OIDCTokenFile: c.OIDCTokenFile, URL: string(c.URL),
	}
	if s.Type == cms.CredentialDefault && s.AccessKeyID != "" {
		s.Type = cms.CredentialAccessKey
		if s.SecurityToken != "" {
			s.Type = cms.CredentialSTS
		}
	}
	return s
}
