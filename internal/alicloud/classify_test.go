package alicloud

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
)

func TestErrorReplies(t *testing.T) {
	body := func(code string) string {
		return fmt.Sprintf(`{"RequestId":"5B2A7F33-0000","HostId":"metrics.cn-hangzhou.aliyuncs.com","Code":%q,"Message":"because"}`, code)
	}
	tests := []struct {
		status int
		code   string
		kind   Kind
	}{
		{400, "Throttling", KindThrottled},
		{400, "Throttling.User", KindThrottled},
		{400, "Throttling.Api", KindThrottled},
		{429, "ThrottlingException", KindThrottled},
		{429, "Throttli∂ngException", KindThrottled},
		{400, "ONS_SYSTEM_FLOW_CONTROL", KindThrottled},
		{429, "Other", KindThrottled},
		{503, "Throttling.User", KindThrottled},
		{402, "LimitExceeded", KindQuotaExhausted},
		{402, "Other", KindQuotaExhausted},
		{400, "LimitExceeded", KindQuotaExhausted},
		{406, "ExceedingQuota", KindQuotaExhausted},
		{403, "FreeQuotaUsedUp", KindQuotaExhausted},
		{404, "InvalidAccessKeyId.NotFound", KindBadCredentials},
		{400, "InvalidAccessKeyId.NotFound", KindBadCredentials},
		{400, "InvalidAccessKeyId.Inactive", KindBadCredentials},
		{400, "SignatureDoesNotMatch", KindBadCredentials},
		{400, "IncompleteSignature", KindBadCredentials},
		{400, "InvalidSecurityToken.Malformed", KindBadCredentials},
		{403, "InvalidSecurityToken.MismatchWithAccessKey", KindBadCredentials},
		{400, "MissingSecurityToken", KindBadCredentials},
		{401, "Other", KindBadCredentials},
		{400, "InvalidSecurityToken.Expired", KindExpiredToken},
		{403, "InvalidSecurityToken.Expired", KindExpiredToken},
		{400, "SecurityTokenExpired", KindExpiredToken},
		{400, "InvalidTimeStamp.Expired", KindClockSkew},
		{400, "InvalidTimeStamp.Format", KindClockSkew},
		{403, "Forbidden", KindForbidden},
		{403, "Forbidden.RAM", KindForbidden},
		{403, "NoPermission", KindForbidden},
		{403, "AccessForbidden", KindForbidden},
		{401, "AccessDeniedException", KindForbidden},
		{403, "Other", KindForbidden},
		{400, "SignatureNonceUsed", KindNetwork},
		{408, "RequestTimeout", KindNetwork},
		{500, "InternalError", KindServer},
		{400, "InternalError", KindServer},
		{503, "ServiceUnavailable", KindServer},
		{502, "Other", KindServer},
		{400, "ParameterInvalid", KindInvalidRequest},
		{404, "ResourceNotFound", KindInvalidRequest},
		{404, "InvalidApi.NotFound", KindInvalidRequest},
		{409, "ResourceConflict", KindInvalidRequest},
		{302, "Other", KindMalformedReply},
		// HTTP 200, and yet no success.
		{200, "Throttling.User", KindThrottled},
		{200, "AccessForbidden", KindForbidden},
		{200, "InternalError", KindServer},
		{200, "ParameterInvalid", KindInvalidRequest},
		{200, "429", KindThrottled},
		{200, "403", KindForbidden},
		{200, "404", KindInvalidRequest},
		{200, "500", KindServer},
		{200, "206", KindServer},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %s", tt.status, tt.code), func(t *testing.T) {
			c := staticClient(t, alicloudtest.Answer(tt.status, nil, body(tt.code)))
			err := ask(t.Context(), c)
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.kind, e.Kind)
			assert.Equal(t, tt.kind, KindOf(fmt.Errorf("wrapped: %w", err)))
			assert.Equal(t, strings.ReplaceAll(tt.code, "∂", ""), e.Code)
			assert.Equal(t, tt.status, e.Status)
			assert.Equal(t, "because", e.Message)
			assert.Equal(t, "5B2A7F33-0000", e.RequestID)
			for _, part := range []string{string(e.Kind), e.Code, fmt.Sprintf("HTTP %d", e.Status), e.RequestID, cmp.Or(testRemedies[tt.kind], remedies[tt.kind])} {
				assert.ErrorContains(t, err, part)
			}
		})
	}
}

func TestErrorReplyBodies(t *testing.T) {
	tests := map[string]struct {
		status    int
		header    http.Header
		body      string
		kind      Kind
		code      string
		message   string
		requestID string
	}{
		"HTML":             {status: 502, body: "<html><body><h1>502 Bad Gateway</h1></body></html>", kind: KindServer},
		"empty":            {status: 503, kind: KindServer},
		"text":             {status: 403, body: "go away", kind: KindForbidden},
		"lower case":       {status: 400, body: `{"code":"Throttling","message":"slow","requestId":"r"}`, kind: KindThrottled, code: "Throttling", message: "slow", requestID: "r"},
		"number":           {status: 500, body: `{"Code":500}`, kind: KindServer, code: "500"},
		"array":            {status: 500, body: `[]`, kind: KindServer},
		"XML":              {status: 400, body: `<?xml version="1.0"?><Error><RequestId>r</RequestId><Code>Throttling.User</Code><Message>slow</Message></Error>`, kind: KindThrottled, code: "Throttling.User", message: "slow", requestID: "r"},
		"cut off XML":      {status: 400, body: `<Error><Code>Thrott`, kind: KindInvalidRequest},
		"ID in the header": {status: 504, header: http.Header{"X-Acs-Request-Id": {"h"}}, kind: KindServer, requestID: "h"},
		"no success":       {status: 200, body: `{"Success":false,"Code":"200","Message":"m"}`, kind: KindServer, code: "200", message: "m"},
		"no success, text": {status: 200, body: `{"Success":"false"}`, kind: KindServer},
		"no success, data": {status: 200, body: `{"Success":false,"Datapoints":"[]"}`, kind: KindServer},
		"only a code":      {status: 200, body: `{"Code":"ParameterInvalid","Datapoints":"[]"}`, kind: KindInvalidRequest, code: "ParameterInvalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := staticClient(t, alicloudtest.Answer(tt.status, tt.header, tt.body))
			err := ask(t.Context(), c)
			if e, ok := errors.AsType[*Error](err); assert.True(t, ok) {
				assert.False(t, e.Date.IsZero())
				e.Date, e.Remedy = time.Time{}, ""
			}
			assert.Equal(t, &Error{
				Kind: tt.kind, Code: tt.code, Status: tt.status, Message: tt.message, RequestID: tt.requestID,
			}, err)
		})
	}
}

func TestRetryable(t *testing.T) {
	tests := map[Kind]bool{
		KindThrottled: true, KindServer: true, KindMalformedReply: true, KindNetwork: true,
		KindQuotaExhausted: false, KindBadCredentials: false, KindExpiredToken: false, KindClockSkew: false,
		KindForbidden: false, KindInvalidRequest: false, KindCanceled: false,
	}
	for kind, want := range tests {
		assert.Equal(t, want, (&Error{Kind: kind}).Retryable(), kind)
	}
}

func TestRetryAfter(t *testing.T) {
	tests := map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"none":          {},
		"rate limits":   {header: http.Header{"X-Ratelimit-User-Api": {"Limit:50,Remain:0,TimeLeft:1500,Reset:1"}, "X-Ratelimit-User": {"TimeLeft:700"}}, want: 1500 * time.Millisecond},
		"user only":     {header: http.Header{"X-Ratelimit-User": {"TimeLeft:700"}}, want: 700 * time.Millisecond},
		"api only":      {header: http.Header{"X-Ratelimit-User-Api": {"TimeLeft:700"}}, want: 700 * time.Millisecond},
		"nonsense":      {header: http.Header{"X-Ratelimit-User": {"TimeLeft:soon"}, "Retry-After": {"later"}}},
		"negative":      {header: http.Header{"X-Ratelimit-User": {"TimeLeft:-5"}, "Retry-After": {"-5"}}},
		"huge":          {header: http.Header{"X-Ratelimit-User": {"TimeLeft:9223372036854775807"}}, want: maxRetryAfter},
		"seconds":       {header: http.Header{"Retry-After": {"7"}}, want: 7 * time.Second},
		"huge seconds":  {header: http.Header{"Retry-After": {"9223372036854775807"}}, want: maxRetryAfter},
		"a past date":   {header: http.Header{"Retry-After": {"Wed, 21 Oct 2015 07:28:00 GMT"}}},
		"a date far on": {header: http.Header{"Retry-After": {"Wed, 21 Oct 2099 07:28:00 GMT"}}, want: maxRetryAfter},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := staticClient(t, alicloudtest.Answer(http.StatusBadRequest, tt.header, `{"Code":"Throttling.User"}`))
			err := ask(t.Context(), c)
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.want, e.RetryAfter)
		})
	}
}
