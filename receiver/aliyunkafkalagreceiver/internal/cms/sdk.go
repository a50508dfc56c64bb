package cms

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// sdkSource returns a source that asks a provider of the SDK. A provider takes no context, and gives up after 15 seconds
// at most. It keeps its session and renews it sessionMargin before its end, which it does not say. It dereferences fields
// of a reply without looking, hence the recover.
func sdkSource(p providers.CredentialsProvider) source {
	return func(context.Context) (_ *credential, err error) {
		defer func() {
			if recover() != nil {
				err = badCredentials(noAnswer)
			}
		}()
		c, err := p.GetCredentials()
		switch {
		case err != nil:
			return nil, sdkError(err)
		case c.AccessKeyId == "" || c.AccessKeySecret == "":
			return nil, badCredentials(noAnswer)
		}
		return &credential{id: c.AccessKeyId, secret: c.AccessKeySecret, token: c.SecurityToken, lifetime: sessionMargin}, nil
	}
}

// What may be shown of a provider's error. Its text as a whole may not: it repeats replies and URLs, and these hold
// access keys and tokens.
var (
	providerCode   = regexp.MustCompile(`"Code"\s*:\s*"([A-Za-z.]{1,100})"`) // keys and tokens have digits
	providerStatus = regexp.MustCompile(`(?:httpStatus: |/security-credentials/ )(\d{3})\b`)
	networkFailure = regexp.MustCompile(`no such host|connection refused|connection reset|network is unreachable|no route to host|i/o timeout|deadline exceeded|Client\.Timeout`)
)

const noAnswer = "the service that issues them gave no usable answer"

// sdkError returns the error of a provider that gave no credentials.
func sdkError(err error) *Error {
	raw := err.Error()
	if m := providerCode.FindStringSubmatch(raw); m != nil && m[1] != "Success" {
		return &Error{Kind: credentialKind(classify(m[1], 0)), Code: m[1], Message: "the service that issues them refused"}
	}
	if m := providerStatus.FindStringSubmatch(raw); m != nil {
		return badCredentials("the service that issues them answered with HTTP status " + m[1])
	}
	network := networkFailure.FindString(raw)
	if call, ok := errors.AsType[*url.Error](err); ok && call.Op != "parse" {
		network = cleanMessage(withoutURL(err).Error())
	}
	if network != "" {
		return &Error{Kind: KindNetwork, Message: network}
	}
	return badCredentials(noAnswer)
}

// refuseDebugOutput guards against the SDK printing request headers to standard output, which may hold tokens. The SDK
// reads the variable when the process starts, so it cannot be switched off here.
func refuseDebugOutput() error {
	const flag = "credential"
	if slices.Contains(strings.Split(os.Getenv("DEBUG"), ","), flag) {
		return fmt.Errorf("environment variable DEBUG has %q, which makes the Alibaba Cloud SDK print credentials: unset it", flag)
	}
	return nil
}
