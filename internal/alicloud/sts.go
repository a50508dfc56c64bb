package alicloud

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	stsVersion      = "2015-04-01"
	issuerTimeout   = 10 * time.Second // of a call to STS or a credentials URI
	sessionSeconds  = "3600"           // the longest that every role allows
	sessionName     = "aliyunkafkalag"
	missingRRSAHint = `in ACK, RRSA injects it: install the add-on ack-pod-identity-webhook, give the namespace the label pod-identity.alibabacloud.com/injection: "on" ` +
		`and the ServiceAccount the annotation pod-identity.alibabacloud.com/role-name, then re-create the pod`
)

// ramRole returns a source that assumes the role with the key or session in s.
func (s CredentialSettings) ramRole(i *issuers) (source, error) {
	key, err := s.key()
	if err = cmp.Or(err, needs("role_arn", &s.RoleARN)); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*credential, error) {
		return i.assume(ctx, Call{Action: "AssumeRole", Query: s.session()}, key)
	}, nil
}

// oidcRole returns a source that assumes the role with the token in a file, which is read anew each time.
func (s CredentialSettings) oidcRole(i *issuers) (source, error) {
	if err := cmp.Or(
		needs("role_arn", &s.RoleARN), needs("oidc_provider_arn", &s.OIDCProviderARN), needs("oidc_token_file", &s.OIDCTokenFile),
	); err != nil {
		return nil, fmt.Errorf("%w; %s", err, missingRRSAHint)
	}
	return func(ctx context.Context) (*credential, error) {
		token, err := os.ReadFile(s.OIDCTokenFile)
		if err != nil {
			return nil, badCredentials("oidc_token_file: " + err.Error())
		}
		form := s.session()
		form.Set("OIDCProviderArn", s.OIDCProviderARN)
		form.Set("OIDCToken", strings.TrimSpace(string(token)))
		const action = "AssumeRoleWithOIDC"
		once := newStamp()
		query := url.Values{ // what STS expects of a call without a signature
			"Action":         {action},
			"Version":        {stsVersion},
			"Format":         {"JSON"},
			"Timestamp":      {once.date.UTC().Format(time.RFC3339)},
			"SignatureNonce": {once.nonce},
		}
		return i.assume(ctx, Call{Action: action, Query: query, form: form}, nil)
	}, nil
}

// session returns the parameters that describe the session to be had of the role.
func (s CredentialSettings) session() url.Values {
	p := url.Values{
		"RoleArn":         {s.RoleARN},
		"RoleSessionName": {cmp.Or(strings.TrimSpace(s.RoleSessionName), env("ROLE_SESSION_NAME"), sessionName)},
		"DurationSeconds": {sessionSeconds},
		"Policy":          {s.Policy},
		"ExternalId":      {s.ExternalID},
	}
	maps.DeleteFunc(p, func(_ string, v []string) bool { return v[0] == "" })
	return p
}

// assume asks STS for the session, signed unless key is nil. The error names the host.
func (i *issuers) assume(ctx context.Context, c Call, key *credential) (*credential, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	c.Version = stsVersion
	req, err := c.request(ctx, i.sts, key, newStamp())
	if err != nil {
		return nil, transportError(err)
	}
	session, failure := i.sender.session(req)
	if failure == nil {
		return session, nil
	}
	failure.Kind = credentialKind(failure.Kind)
	failure = failure.redact(key, c.form.Get("OIDCToken"))
	failure.Message = strings.TrimSuffix("STS at "+i.sts.host+": "+failure.Message, ": ")
	return nil, failure
}
