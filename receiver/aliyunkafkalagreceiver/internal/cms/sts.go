package cms

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	stsVersion      = "2015-04-01"
	stsTimeout      = 10 * time.Second
	sessionSeconds  = "3600" // the longest that every role allows
	sessionName     = "aliyunkafkalag"
	missingRRSAHint = `in ACK, RRSA injects it: install the add-on ack-pod-identity-webhook, give the namespace the label pod-identity.alibabacloud.com/injection: "on" ` +
		`and the ServiceAccount the annotation pod-identity.alibabacloud.com/role-name, then re-create the pod`
)

// sts calls the Security Token Service, which turns a key or an OIDC token into a session of a role.
type sts struct {
	server endpoint
	sender *sender
}

func newSTS(sender *sender, s Settings) (*sts, error) {
	host := "sts"
	if s.Network == "vpc" {
		host = "sts-vpc"
	}
	if s.Region != "" {
		host += "." + s.Region
	}
	server, err := parseEndpoint(cmp.Or(s.STSEndpoint, "https://"+host+".aliyuncs.com"))
	if err != nil {
		return nil, fmt.Errorf("endpoint of STS: %w", err)
	}
	return &sts{server: server, sender: sender}, nil
}

// ramRole returns a source that assumes the role with the key or session in s.
func (s CredentialSettings) ramRole(sts *sts) (source, error) {
	key, err := s.static()
	if err != nil {
		return nil, err
	}
	role := orEnv(s.RoleARN, "ROLE_ARN")
	if role == "" {
		return nil, emptyKey("role_arn", "ROLE_ARN")
	}
	return func(ctx context.Context) (*credential, error) {
		cred, err := key(ctx)
		if err != nil {
			return nil, err
		}
		return sts.assume(ctx, call{action: "AssumeRole", query: s.session(role)}, cred)
	}, nil
}

// oidcRole returns a source that assumes the role with the token in a file, which is read anew each time.
func (s CredentialSettings) oidcRole(sts *sts) (source, error) {
	role, provider, file := orEnv(s.RoleARN, "ROLE_ARN"), orEnv(s.OIDCProviderARN, "OIDC_PROVIDER_ARN"), orEnv(s.OIDCTokenFile, "OIDC_TOKEN_FILE")
	for _, k := range [...]struct{ key, name, value string }{
		{"role_arn", "ROLE_ARN", role}, {"oidc_provider_arn", "OIDC_PROVIDER_ARN", provider}, {"oidc_token_file", "OIDC_TOKEN_FILE", file},
	} {
		if k.value == "" {
			return nil, fmt.Errorf("%w; %s", emptyKey(k.key, k.name), missingRRSAHint)
		}
	}
	return func(ctx context.Context) (*credential, error) {
		token, err := os.ReadFile(file)
		if err != nil {
			return nil, &Error{Kind: KindBadCredentials, Message: cleanMessage(err.Error())}
		}
		form := s.session(role)
		form.Set("OIDCProviderArn", provider)
		form.Set("OIDCToken", strings.TrimSpace(string(token)))
		return sts.assume(ctx, call{action: "AssumeRoleWithOIDC", query: unsigned("AssumeRoleWithOIDC"), form: form}, nil)
	}, nil
}

// unsigned returns the parameters that STS expects of a call without a signature.
func unsigned(action string) url.Values {
	s := newStamp()
	return url.Values{
		"Action":         {action},
		"Version":        {stsVersion},
		"Format":         {"JSON"},
		"Timestamp":      {s.date.UTC().Format(time.RFC3339)},
		"SignatureNonce": {s.nonce},
	}
}

// session returns the parameters that describe the session to be had of the role.
func (s CredentialSettings) session(role string) url.Values {
	p := url.Values{
		"RoleArn":         {role},
		"RoleSessionName": {cmp.Or(orEnv(s.RoleSessionName, "ROLE_SESSION_NAME"), sessionName)},
		"DurationSeconds": {sessionSeconds},
	}
	if s.policy != "" {
		p.Set("Policy", s.policy)
	}
	if s.externalID != "" {
		p.Set("ExternalId", s.externalID)
	}
	return p
}

// assume makes the call, signed unless key is nil, and returns the session. The error names the host.
func (s *sts) assume(ctx context.Context, c call, key *credential) (*credential, error) {
	ctx, cancel := context.WithTimeout(ctx, stsTimeout)
	defer cancel()
	c.version = stsVersion
	var r reply
	failure := s.sender.send(ctx, s.server, c, key, &r)
	if failure == nil {
		if session, ok := r.session(); ok {
			return session, nil
		}
		failure = r.complete(malformed("the reply has no session"))
	}
	secrets := []string{c.form.Get("OIDCToken")}
	if key != nil {
		secrets = append(secrets, key.id, key.secret, key.token)
	}
	failure.Kind = credentialKind(failure.Kind)
	failure = failure.redact(secrets...)
	failure.Message = strings.TrimSuffix("STS at "+s.server.host+": "+failure.Message, ": ")
	return nil, failure
}

// session returns the session in the reply of STS. How long it lasts is counted from the reply's date, so that a wrong
// local clock does not matter.
func (r *reply) session() (*credential, bool) {
	var body struct {
		Credentials struct {
			AccessKeyID     string `json:"AccessKeyId"`
			AccessKeySecret string
			SecurityToken   string
			Expiration      time.Time
		}
	}
	if json.Unmarshal(r.body.Bytes(), &body) != nil {
		return nil, false
	}
	s, now := body.Credentials, r.date()
	if now.IsZero() {
		now = time.Now()
	}
	return &credential{id: s.AccessKeyID, secret: s.AccessKeySecret, token: s.SecurityToken, lifetime: s.Expiration.Sub(now)},
		s.AccessKeyID != "" && s.AccessKeySecret != "" && s.SecurityToken != "" && s.Expiration.After(now)
}

// credentialKind returns the kind of an error of those who issue credentials: what they refuse is not for CloudMonitor
// or its permissions to mend.
func credentialKind(k Kind) Kind {
	switch k {
	case KindInvalidRequest, KindForbidden, KindQuotaExhausted:
		return KindBadCredentials
	default:
		return k
	}
}
