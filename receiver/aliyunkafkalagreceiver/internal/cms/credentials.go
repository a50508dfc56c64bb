package cms

import (
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
type CredentialSettings struct {
	Type            CredentialType
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
	RoleARN         string
	RoleSessionName string // optional
	OIDCProviderARN string
	OIDCTokenFile   string
	RoleName        string // optional: the ECS instance is asked for its role
	URL             string

	policy, externalID string // of a role in a profile
}

// credential is an access key or, with a token, a session.
type credential struct {
	id, secret, token string
	lifetime          time.Duration // how long it lasts from when it was obtained; zero for ever
}

// source obtains credentials. It is not safe for concurrent use. Its errors are of type [*Error].
type source func(context.Context) (*credential, error)

// source returns where the credentials come from. It reads settings, environment and files; it asks nobody.
func (s CredentialSettings) source(sts *sts) (source, error) {
	switch s.Type {
	case CredentialDefault:
		return defaultSource(sts)
	case CredentialAccessKey:
		s.SecurityToken = ""
		return s.static()
	case CredentialSTS:
		s.SecurityToken = orEnv(s.SecurityToken, "SECURITY_TOKEN")
		if s.SecurityToken == "" {
			return nil, emptyKey("security_token", "SECURITY_TOKEN")
		}
		return s.static()
	case CredentialRAMRoleARN:
		return s.ramRole(sts)
	case CredentialOIDCRoleARN:
		return s.oidcRole(sts)
	case CredentialECSRAMRole:
		return ecsSource(s.RoleName)
	case CredentialURI:
		return uriSource(s.URL)
	default:
		return nil, fmt.Errorf("type %q is unknown", s.Type)
	}
}

// static returns a source of the key or session in s.
func (s CredentialSettings) static() (source, error) {
	c := &credential{
		id:     orEnv(s.AccessKeyID, "ACCESS_KEY_ID"),
		secret: orEnv(s.AccessKeySecret, "ACCESS_KEY_SECRET"),
		token:  strings.TrimSpace(s.SecurityToken),
	}
	switch {
	case c.id == "":
		return nil, emptyKey("access_key_id", "ACCESS_KEY_ID")
	case c.secret == "":
		return nil, emptyKey("access_key_secret", "ACCESS_KEY_SECRET")
	}
	for _, k := range [...]struct{ name, value string }{
		{"access_key_id", c.id}, {"access_key_secret", c.secret}, {"security_token", c.token},
	} {
		if strings.ContainsFunc(k.value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil, fmt.Errorf("%s has a line break or another control character inside: remove it", k.name)
		}
	}
	return func(context.Context) (*credential, error) { return c, nil }, nil
}

// orEnv returns the value without white space around it, or that of the environment variable ALIBABA_CLOUD_<name>.
func orEnv(value, name string) string {
	if value = strings.TrimSpace(value); value != "" {
		return value
	}
	return env(name)
}

func env(name string) string { return strings.TrimSpace(os.Getenv("ALIBABA_CLOUD_" + name)) }

func emptyKey(key, name string) error {
	return fmt.Errorf("%s is empty: set it, or ALIBABA_CLOUD_%s in the environment", key, name)
}
