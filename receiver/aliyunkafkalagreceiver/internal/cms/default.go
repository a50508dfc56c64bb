package cms

import (
	"context"
	"errors"
)

// defaultSource returns the first source that is configured, in the order of the SDK. Only the configuration decides:
// if that source fails, no other identity takes its place.
func defaultSource(sts *sts) (source, error) {
	if s, ok := environment(); ok {
		return s.source(sts)
	}
	for _, find := range []func() (CredentialSettings, bool, error){cliProfile, credentialsFile} {
		if s, ok, err := find(); err != nil {
			return nil, err
		} else if ok {
			return s.source(sts)
		}
	}
	ecs, err := ecsSource("")
	uri := env("CREDENTIALS_URI")
	switch {
	case err != nil && uri == "":
		return nil, errNotConfigured
	case err != nil:
		return uriSource(uri)
	case env("ECS_METADATA") != "":
		return ecs, nil
	default:
		return unnamedRole(ecs, uri)
	}
}

var errNotConfigured = errors.New("the environment, OIDC, the CLI profile, the credentials file, the ECS metadata service and the credentials URI have none")

// unnamedRole returns the source of a host of which only its metadata service knows whether it has a role. If it gives
// none, the URI is asked, unless it is empty.
func unnamedRole(ecs source, uri string) (source, error) {
	last := func(context.Context) (*credential, error) {
		return nil, &Error{Kind: KindBadCredentials, Message: errNotConfigured.Error()}
	}
	if uri != "" {
		s, err := uriSource(uri)
		if err != nil {
			return nil, err
		}
		last = s
	}
	return func(ctx context.Context) (*credential, error) {
		if c, err := ecs(ctx); err == nil {
			return c, nil
		}
		return last(ctx)
	}, nil
}

// environment returns the key, session or OIDC role that the environment names. One half of a key is enough to mean it.
func environment() (CredentialSettings, bool) {
	token := env("SECURITY_TOKEN")
	switch {
	case env("ACCESS_KEY_ID")+env("ACCESS_KEY_SECRET") == "":
		oidc := env("ROLE_ARN") != "" && env("OIDC_PROVIDER_ARN") != "" && env("OIDC_TOKEN_FILE") != ""
		return CredentialSettings{Type: CredentialOIDCRoleARN}, oidc
	case token == "":
		return CredentialSettings{Type: CredentialAccessKey}, true
	default:
		return CredentialSettings{Type: CredentialSTS}, true
	}
}
