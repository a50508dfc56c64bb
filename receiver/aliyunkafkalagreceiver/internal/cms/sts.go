package cms

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
	key, err := s.key()
	if err = cmp.Or(err, needs("role_arn", &s.RoleARN)); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*credential, error) {
		return sts.assume(ctx, call{action: "AssumeRole", query: s.session()}, key)
	}, nil
}

// oidcRole returns a source that assumes the role with the token in a file, which is read anew each time.
func (s CredentialSettings) oidcRole(sts *sts) (source, error) {
	if err := cmp.Or(
		needs("role_arn", &s.RoleARN), needs("oidc_provider_arn", &s.OIDCProviderARN), needs("oidc_token_file", &s.OIDCTokenFile),
	); err != nil {
		return nil, fmt.Errorf("%w; %s", err, missingRRSAHint)
	}
	return func(ctx context.Context) (*credential, error) {
		token, err := os.ReadFile(s.OIDCTokenFile)
		if err != nil {
			return nil, badCredentials(cleanMessage(err.Error()))
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
		return sts.assume(ctx, call{action: action, query: query, form: form}, nil)
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
	failure.Kind = credentialKind(failure.Kind)
	failure = failure.redact(key, c.form.Get("OIDCToken"))
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
	cred := &credential{id: s.AccessKeyID, secret: s.AccessKeySecret, token: s.SecurityToken, lifetime: s.Expiration.Sub(now)}
	return cred, cred.id != "" && cred.secret != "" && cred.token != "" && cred.lifetime > 0
}

// credentialKind returns the kind of an error of those who issue credentials: what they refuse is not for CloudMonitor
// or its permissions to mend.
func credentialKind(k Kind) Kind {
	if k == KindInvalidRequest || k == KindForbidden || k == KindQuotaExhausted {
		return KindBadCredentials
	}
	return k
}
