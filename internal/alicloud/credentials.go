package alicloud

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"
)

// CredentialType names where credentials come from, in the words of the Alibaba Cloud SDK.
type CredentialType string

// The types of credentials.
const (
	CredentialDefault     CredentialType = "default"         // the first that is configured: environment, OIDC, CLI profile, credentials file, ECS role, URI
	CredentialAccessKey   CredentialType = "access_key"      // AccessKeyID, AccessKeySecret
	CredentialSTS         CredentialType = "sts"             // AccessKeyID, AccessKeySecret, SecurityToken: a session made elsewhere
	CredentialRAMRoleARN  CredentialType = "ram_role_arn"    // RoleARN, assumed with an access key and, optionally, a SecurityToken
	CredentialOIDCRoleARN CredentialType = "oidc_role_arn"   // RoleARN, assumed with the token in OIDCTokenFile, as RRSA in ACK does
	CredentialECSRAMRole  CredentialType = "ecs_ram_role"    // the role of the ECS instance
	CredentialURI         CredentialType = "credentials_uri" // a local service at URL
)

// CredentialSettings configures the credentials. What a type does not need is ignored; an empty field that it does need
// is taken from the environment variable that the SDK reads, for example ALIBABA_CLOUD_OIDC_TOKEN_FILE.
// The tags are the keys of a profile of the CLI (json) and of a section of the SDK's credentials file (ini).
type CredentialSettings struct {
	Type            CredentialType `json:"-" ini:"type"`
	AccessKeyID     string         `json:"access_key_id" ini:"access_key_id"`
	AccessKeySecret string         `json:"access_key_secret" ini:"access_key_secret"`
	SecurityToken   string         `json:"sts_token" ini:"-"`
	RoleARN         string         `json:"ram_role_arn" ini:"role_arn"`
	RoleSessionName string         `json:"ram_session_name" ini:"role_session_name"` // optional
	OIDCProviderARN string         `json:"oidc_provider_arn" ini:"-"`
	OIDCTokenFile   string         `json:"oidc_token_file" ini:"-"`
	RoleName        string         `json:"ram_role_name" ini:"role_name"` // optional: the ECS instance is asked for its role
	URL             string         `json:"-" ini:"-"`
	Policy          string         `json:"policy" ini:"policy"` // optional: narrows what the session of a role may do
	ExternalID      string         `json:"external_id" ini:"-"` // optional: what the role demands
}

// credential is an access key or, with a token, a session.
type credential struct {
	id, secret, token string
	lifetime          time.Duration // how long it lasts from when it was obtained; zero for ever
}

// source obtains credentials. It is not safe for concurrent use. Its errors are of type [*Error].
type source func(context.Context) (*credential, error)

// source returns where the credentials come from. It reads settings, environment and files; it asks nobody.
func (s CredentialSettings) source(i *issuers) (source, error) {
	switch s.Type {
	case CredentialDefault:
		return defaultSource(i)
	case CredentialAccessKey, CredentialSTS:
		key, err := s.key()
		return func(context.Context) (*credential, error) { return key, nil }, err
	case CredentialRAMRoleARN:
		return s.ramRole(i)
	case CredentialOIDCRoleARN:
		return s.oidcRole(i)
	case CredentialECSRAMRole:
		return s.ecsRole(i)
	case CredentialURI:
		return s.uri(i)
	default:
		return nil, fmt.Errorf("type %q is unknown", s.Type)
	}
}

// key returns the key in s, and its token unless it is an access key.
func (s CredentialSettings) key() (*credential, error) {
	err := cmp.Or(needs("access_key_id", &s.AccessKeyID), needs("access_key_secret", &s.AccessKeySecret))
	s.SecurityToken = strings.TrimSpace(s.SecurityToken)
	if s.Type == CredentialAccessKey {
		s.SecurityToken = ""
	} else if s.Type == CredentialSTS || s.SecurityToken != "" {
		err = cmp.Or(err, needs("security_token", &s.SecurityToken))
	}
	return &credential{id: s.AccessKeyID, secret: s.AccessKeySecret, token: s.SecurityToken}, err
}

// needs removes the white space around the value of a key, and takes an empty one from the environment. It returns an
// error if the value stays empty or cannot be sent.
func needs(key string, value *string) error {
	name := strings.ToUpper(key)
	switch *value = cmp.Or(strings.TrimSpace(*value), env(name)); {
	case *value == "":
		return fmt.Errorf("%s is empty: set it, or ALIBABA_CLOUD_%s in the environment", key, name)
	case strings.ContainsFunc(*value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s has a line break or another control character inside: remove it", key)
	}
	return nil
}

// env returns the value of ALIBABA_CLOUD_<name> in the environment.
func env(name string) string { return strings.TrimSpace(os.Getenv("ALIBABA_CLOUD_" + name)) }

func envIsTrue(name string) bool { return strings.EqualFold(env(name), "true") }
