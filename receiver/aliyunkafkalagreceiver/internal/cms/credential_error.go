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
	kind, code, cause := s.judge(err)
	secrets := secretReplacer(s.AccessKeySecret, s.SecurityToken, s.AccessKeyID)
	message := fmt.Sprintf("no credentials of type %s: %s", s.Type, cause)
	return &Error{Kind: kind, Code: cleanName(secrets.Replace(code)), Message: cleanMessage(secrets.Replace(message))}
}

// judge says what may be told of err.
func (s CredentialSettings) judge(err error) (kind Kind, code, cause string) {
	raw := err.Error()
	if m := providerCode.FindStringSubmatch(raw); m != nil && m[1] != "Success" {
		return kindOfProvider(m[1]), m[1], "the service that issues them refused"
	}
	if s.Type == CredentialDefault { // the error is that of the last in the chain, a host that few networks have
		return KindBadCredentials, "", "the environment, OIDC, the CLI profile, the credentials file, the ECS metadata service and the credentials URI have none"
	}
	if m := providerStatus.FindStringSubmatch(raw); m != nil {
		return KindBadCredentials, "", "the service that issues them answered with HTTP status " + m[1]
	}
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return KindBadCredentials, "", file.Error()
	}
	if call, ok := errors.AsType[*url.Error](err); ok && call.Op != "parse" {
		return KindNetwork, "", withoutURL(err).Error()
	}
	if m := networkFailure.FindString(raw); m != "" {
		return KindNetwork, "", m
	}
	return KindBadCredentials, "", "the service that issues them gave no usable answer"
}

// kindOfProvider tells the kind by the code of STS. A permission that is missing there is not the one CMS asks for.
func kindOfProvider(code string) Kind {
	switch kind := kindOf(code, 0); kind {
	case KindThrottled, KindServer, KindClockSkew, KindExpiredToken:
		return kind
	default:
		return KindBadCredentials
	}
}
