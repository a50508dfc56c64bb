package alicloud

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	metadataHost     = "100.100.100.200"
	metadataRolePath = "/latest/meta-data/ram/security-credentials/"
	metadataTimeout  = time.Second // of one request
)

// ecsRole returns a source that asks the metadata service of the ECS instance for a session of its role: with a token
// (IMDSv2), and if that fails without one (IMDSv1), unless the environment forbids it.
func (s CredentialSettings) ecsRole(i *issuers) (source, error) {
	if envIsTrue("ECS_METADATA_DISABLED") {
		return nil, errors.New("the ECS metadata service is disabled: unset ALIBABA_CLOUD_ECS_METADATA_DISABLED, or choose another type")
	}
	role, onlyV2 := cmp.Or(strings.TrimSpace(s.RoleName), env("ECS_METADATA")), envIsTrue("IMDSV1_DISABLED")
	return func(ctx context.Context) (session *credential, _ error) {
		var r reply
		failure := i.askMetadata(ctx, http.MethodPut, "/latest/api/token", "X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds", "60", &r)
		if failure == nil {
			session, failure = i.roleSession(ctx, role, r.text())
		}
		if failure != nil && !onlyV2 {
			session, failure = i.roleSession(ctx, role, "")
		}
		return local("ECS metadata service at "+metadataHost, session, failure)
	}, nil
}

// roleSession returns a session of the role, or of the role of the instance if role is empty.
func (i *issuers) roleSession(ctx context.Context, role, token string) (*credential, *Error) {
	get := func(path string, r *reply) *Error {
		return i.askMetadata(ctx, http.MethodGet, metadataRolePath+path, "X-Aliyun-Ecs-Metadata-Token", token, r)
	}
	var name, r reply
	if role == "" {
		if failure := get("", &name); failure != nil {
			return nil, failure
		}
		if role = name.text(); role == "" {
			return nil, badCredentials("the instance has no RAM role: attach one")
		}
	}
	if failure := get(role, &r); failure != nil {
		return nil, failure
	}
	return r.session()
}

// askMetadata makes a request with a header, or without it if its value is empty, and reads the reply into r.
func (i *issuers) askMetadata(ctx context.Context, method, path, header, value string, r *reply) *Error {
	u := &url.URL{Scheme: "http", Host: metadataHost, Path: path}
	req := (&http.Request{Method: method, URL: u, Header: http.Header{}}).WithContext(ctx)
	if value != "" {
		req.Header.Set(header, value)
	}
	defer i.metadata.client.CloseIdleConnections() // dialling would go on after ctx has ended
	return i.metadata.do(req, r)
}

// uri returns a source that gets its session from a service at a URL.
func (s CredentialSettings) uri(i *issuers) (source, error) {
	u, err := url.Parse(cmp.Or(strings.TrimSpace(s.URL), env("CREDENTIALS_URI")))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" { // it may hold a password, so it is not repeated
		return nil, errors.New("url must be an http:// or https:// URL: set it, or ALIBABA_CLOUD_CREDENTIALS_URI in the environment")
	}
	return func(ctx context.Context) (*credential, error) {
		ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
		defer cancel()
		session, failure := i.sender.session((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(ctx))
		return local("credentials URI at "+u.Host, session, failure)
	}, nil
}

// plainCode matches the error codes that may be shown: keys and tokens have digits.
var plainCode = regexp.MustCompile(`^[A-Za-z.]{1,100}$`)

// local returns the session, or the error of a service on this host or near it. The text of its replies is left out,
// since it may hold keys that are not known here, and so is its clock.
func local(name string, session *credential, e *Error) (*credential, error) {
	if e == nil {
		return session, nil
	}
	failure := &Error{Kind: credentialKind(e.Kind), Status: e.Status, Message: e.Message, Err: e.Err}
	if failure.Kind == KindMalformedReply { // its remedy is about the service
		failure.Kind = KindBadCredentials
	}
	if e.Status != 0 && e.Status != http.StatusOK {
		failure.Message = refused
	}
	if plainCode.MatchString(e.Code) {
		failure.Code = e.Code
	}
	failure.Message = name + ": " + failure.Message
	return nil, failure
}
