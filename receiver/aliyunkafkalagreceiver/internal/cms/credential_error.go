package cms

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
)

// What may be told of a provider's error. Its text as a whole may not: it repeats replies and URLs, and these hold
// access keys, tokens and signatures.
var (
	providerCode   = regexp.MustCompile(`"Code"\s*:\s*"([A-Za-z.]{1,100})"`) // keys and tokens have digits
	providerStatus = regexp.MustCompile(`(?:httpStatus: |/security-credentials/ )(\d{3})\b`)
	networkFailure = regexp.MustCompile(`no such host|connection refused|connection reset|network is unreachable|no route to host|i/o timeout|deadline exceeded|Client\.Timeout`)
)

// error makes the error of a provider that gave no credentials.
func (s CredentialSettings) error(err error) *Error {
	e := &Error{Kind: KindBadCredentials}
	cause := s.cause(err, e)
	secrets := secretReplacer(s.AccessKeySecret, s.SecurityToken, s.AccessKeyID)
	e.Message = cleanMessage(secrets.Replace(fmt.Sprintf("no credentials of type %s: %s", s.Type, cause)))
	e.Code = cleanName(secrets.Replace(e.Code))
	return e
}

// cause says what may be told of err, and gives e the kind and code that go with it.
func (s CredentialSettings) cause(err error, e *Error) string {
	raw := err.Error()
	if m := providerCode.FindStringSubmatch(raw); m != nil && m[1] != "Success" {
		e.Code = m[1]
		switch kind := kindOf(e.Code, 0); kind {
		case KindThrottled, KindServer, KindClockSkew, KindExpiredToken:
			e.Kind = kind
		}
		return "the service that issues them refused"
	}
	if m := providerStatus.FindStringSubmatch(raw); m != nil {
		return "the service that issues them answered with HTTP status " + m[1]
	}
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return file.Error()
	}
	if call, ok := errors.AsType[*url.Error](err); ok && call.Op != "parse" {
		e.Kind = KindNetwork
		return withoutURL(err).Error()
	}
	if s.Type == CredentialDefault { // the chain ends with a host that few networks have, so no route to it tells nothing
		return "the environment, OIDC, the CLI profile, the credentials file, the ECS metadata service and the credentials URI have none"
	}
	if m := networkFailure.FindString(raw); m != "" {
		e.Kind = KindNetwork
		return m
	}
	return "the service that issues them gave no usable answer"
}
