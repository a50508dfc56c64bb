package aliyunkafkalagreceiver

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

// credentialTypes are the values of CredentialsConfig.Type.
var credentialTypes = []cms.CredentialType{
	cms.CredentialDefault, cms.CredentialAccessKey, cms.CredentialSTS, cms.CredentialRAMRoleARN,
	cms.CredentialOIDCRoleARN, cms.CredentialECSRAMRole, cms.CredentialURI,
}

// CredentialsConfig is how the receiver signs its calls. Type decides which of the other
// keys are used.
type CredentialsConfig struct {
	// Type is default, access_key, sts, ram_role_arn, oidc_role_arn, ecs_ram_role or
	// credentials_uri. The default type uses the keys below when they are set and otherwise
	// asks, in this order: environment, OIDC (RRSA), CLI profile, credentials file, ECS RAM
	// role, credentials URI.
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

	// prevent unkeyed literal initialization
	_ struct{}
}

// requirement is a key that a credential type needs. The SDK reads env in its place.
type requirement struct {
	key   string
	value string
	env   string
}

// validate returns what is wrong with the credentials, each error with the full path of its key.
func (c *CredentialsConfig) validate() []error {
	errs := c.validateKeys()
	if !slices.Contains(credentialTypes, cms.CredentialType(c.Type)) {
		return append(errs, fmt.Errorf("credentials::type: must be one of %q, not %q", credentialTypes, c.Type))
	}
	errs = append(errs, c.validateRequirements()...)
	if c.RoleARN != "" && !strings.HasPrefix(c.RoleARN, "acs:ram::") {
		errs = append(errs, fmt.Errorf("credentials::role_arn: must be like acs:ram::<account>:role/<name>, not %q", c.RoleARN))
	}
	if c.RoleARN != "" && c.Type == string(cms.CredentialDefault) {
		errs = append(errs, errors.New("credentials::role_arn: is not used when type is default; set type to ram_role_arn or oidc_role_arn"))
	}
	if trimmed(c.SecurityToken) != "" && c.Type == string(cms.CredentialAccessKey) {
		errs = append(errs, errors.New("credentials::security_token: is not used when type is access_key; set type to sts"))
	}
	if c.Type == string(cms.CredentialURI) && c.URL != "" {
		if u, err := url.Parse(string(c.URL)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, errors.New("credentials::url: must be an http:// or https:// URL"))
		}
	}
	return errs
}

// validateKeys returns which of the keys have characters that cannot be sent. It never shows a value.
func (c *CredentialsConfig) validateKeys() []error {
	var errs []error
	for _, key := range []struct {
		name  string
		value configopaque.String
	}{
		{"access_key_id", c.AccessKeyID},
		{"access_key_secret", c.AccessKeySecret},
		{"security_token", c.SecurityToken},
	} {
		if strings.ContainsFunc(trimmed(key.value), func(r rune) bool { return !unicode.IsPrint(r) }) {
			errs = append(errs, fmt.Errorf("credentials::%s: has a line break or another control character inside; copy the key again", key.name))
		}
	}
	return errs
}

func (c *CredentialsConfig) validateRequirements() []error {
	var errs []error
	for _, r := range c.requirements() {
		if r.value != "" || r.env != "" && os.Getenv(r.env) != "" {
			continue
		}
		msg := fmt.Sprintf("credentials::%s: must be set when type is %s", r.key, c.Type)
		if r.env != "" {
			msg += ", here or as " + r.env + " in the environment"
		}
		errs = append(errs, errors.New(msg))
	}
	if len(errs) > 0 && c.Type == string(cms.CredentialOIDCRoleARN) {
		errs = append(errs, errors.New("credentials::type: oidc_role_arn needs what RRSA injects on ACK; what is usually missing: "+
			"the add-on ack-pod-identity-webhook, "+
			`the label pod-identity.alibabacloud.com/injection: "on" of the namespace, `+
			"or the annotation pod-identity.alibabacloud.com/role-name of the ServiceAccount; re-create the pod afterwards"))
	}
	return errs
}

// requirements returns the keys that the type cannot do without.
func (c *CredentialsConfig) requirements() []requirement {
	id := requirement{key: "access_key_id", value: trimmed(c.AccessKeyID)}
	secret := requirement{key: "access_key_secret", value: trimmed(c.AccessKeySecret)}
	token := requirement{key: "security_token", value: trimmed(c.SecurityToken)}
	role := requirement{key: "role_arn", value: c.RoleARN, env: "ALIBABA_CLOUD_ROLE_ARN"}
	switch cms.CredentialType(c.Type) {
	case cms.CredentialAccessKey:
		return []requirement{id, secret}
	case cms.CredentialSTS:
		return []requirement{id, secret, token}
	case cms.CredentialRAMRoleARN:
		return []requirement{id, secret, role}
	case cms.CredentialOIDCRoleARN:
		return []requirement{
			role,
			{"oidc_provider_arn", c.OIDCProviderARN, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"},
			{"oidc_token_file", c.OIDCTokenFile, "ALIBABA_CLOUD_OIDC_TOKEN_FILE"},
		}
	case cms.CredentialURI:
		return []requirement{{"url", string(c.URL), "ALIBABA_CLOUD_CREDENTIALS_URI"}}
	default:
		// A part of the keys is a mistake; none is the usual case.
		if id.value+secret.value+token.value != "" {
			return []requirement{id, secret}
		}
		return nil
	}
}

// trimmed returns a key without the white space around it: files and Secrets often end with a line break.
func trimmed(key configopaque.String) string {
	return strings.TrimSpace(string(key))
}

// settings returns the credentials for the CloudMonitor client.
func (c *CredentialsConfig) settings() cms.CredentialSettings {
	s := cms.CredentialSettings{
		Type:            cms.CredentialType(c.Type),
		AccessKeyID:     trimmed(c.AccessKeyID),
		AccessKeySecret: trimmed(c.AccessKeySecret),
		SecurityToken:   trimmed(c.SecurityToken),
		RoleARN:         c.RoleARN,
		RoleSessionName: c.RoleSessionName,
		OIDCProviderARN: c.OIDCProviderARN,
		OIDCTokenFile:   c.OIDCTokenFile,
		RoleName:        c.RoleName,
		URL:             string(c.URL),
	}
	if s.Type == cms.CredentialDefault && s.AccessKeyID != "" {
		s.Type = cms.CredentialAccessKey
		if s.SecurityToken != "" {
			s.Type = cms.CredentialSTS
		}
	}
	return s
}
