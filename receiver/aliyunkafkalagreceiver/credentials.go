package aliyunkafkalagreceiver

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

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

// Validate reports every key that the type needs and does not have.
func (c *CredentialsConfig) Validate() error {
	types := []string{"default", "access_key", "sts", "ram_role_arn", "oidc_role_arn", "ecs_ram_role", "credentials_uri"}
	if !slices.Contains(types, c.Type) {
		return fmt.Errorf("type: must be one of %q, not %q", types, c.Type)
	}
	var errs []error
	for _, r := range c.requirements() {
		if r.value != "" || r.env != "" && os.Getenv(r.env) != "" {
			continue
		}
		msg := fmt.Sprintf("%s: must be set when type is %s", r.key, c.Type)
		if r.env != "" {
			msg += ", here or as " + r.env + " in the environment"
		}
		errs = append(errs, errors.New(msg))
	}
	if c.RoleARN != "" && !strings.HasPrefix(c.RoleARN, "acs:ram::") {
		errs = append(errs, fmt.Errorf("role_arn: must be like acs:ram::<account>:role/<name>, not %q", c.RoleARN))
	}
	if c.RoleARN != "" && c.Type == string(cms.CredentialDefault) {
		errs = append(errs, errors.New("role_arn: is not used when type is default; set type to ram_role_arn or oidc_role_arn"))
	}
	if c.SecurityToken != "" && c.Type == string(cms.CredentialAccessKey) {
		errs = append(errs, errors.New("security_token: is not used when type is access_key; set type to sts"))
	}
	if c.Type == string(cms.CredentialURI) && c.URL != "" {
		if u, err := url.Parse(string(c.URL)); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, errors.New("url: must be an http:// or https:// URL"))
		}
	}
	return errors.Join(errs...)
}

func (c *CredentialsConfig) requirements() []requirement {
	id := requirement{key: "access_key_id", value: string(c.AccessKeyID)}
	secret := requirement{key: "access_key_secret", value: string(c.AccessKeySecret)}
	token := requirement{key: "security_token", value: string(c.SecurityToken)}
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
		// One half of a key pair is a mistake; none is the usual case.
		if (c.AccessKeyID == "") != (c.AccessKeySecret == "") {
			return []requirement{id, secret}
		}
		return nil
	}
}

// settings are the credentials for the CloudMonitor client.
func (c *CredentialsConfig) settings() cms.CredentialSettings {
	s := cms.CredentialSettings{
		Type:            cms.CredentialType(c.Type),
		AccessKeyID:     string(c.AccessKeyID),
		AccessKeySecret: string(c.AccessKeySecret),
		SecurityToken:   string(c.SecurityToken),
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
