package cms

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/valyala/fastjson"
)

// maxRetryAfter is the longest wait a reply is believed to ask for.
const maxRetryAfter = time.Hour

// serviceError returns the error that the body of a reply describes.
func serviceError(status int, body []byte) *Error {
	e := &Error{Status: status}
	e.Code, e.Message, e.RequestID = errorFields(body)
	e.Kind = classify(e.Code, status)
	return e
}

// malformed returns the error of a reply with HTTP status 200 that cannot be read.
func malformed(message string) *Error {
	return &Error{Kind: KindMalformedReply, Status: http.StatusOK, Message: message}
}

// errorFields reads the body of an error: JSON, or XML from the API gateway. Anything else has no fields.
func errorFields(body []byte) (code, message, requestID string) {
	var p fastjson.Parser
	if v := parse(&p, body); v != nil {
		field := func(name, alias string) string {
			if s := text(v.Get(name)); s != "" {
				return s
			}
			return text(v.Get(alias))
		}
		return field("Code", "code"), field("Message", "message"), field("RequestId", "requestId")
	}
	var e struct {
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}
	if xml.Unmarshal(body, &e) == nil {
		return e.Code, e.Message, e.RequestID
	}
	return "", "", ""
}

// codeKinds gives the kind by the start of a code in lower case; the first match counts.
// The codes are those of the API gateway and of CloudMonitor's error tables, which disagree on HTTP statuses,
// and one of which misspells ThrottlingException.
var codeKinds = []struct {
	prefix string
	kind   Kind
}{
	{"throttl", KindThrottled},
	{"limitexceeded", KindQuotaExhausted},
	{"exceedingquota", KindQuotaExhausted},
	{"invalidsecuritytoken.expire", KindExpiredToken},
	{"securitytokenexpired", KindExpiredToken},
	{"securitytoken.expired", KindExpiredToken},
	{"invalidaccesskeyid", KindBadCredentials},
	{"missingaccesskeyid", KindBadCredentials},
	{"signaturedoesnotmatch", KindBadCredentials},
	{"incompletesignature", KindBadCredentials},
	{"invalidsecuritytoken", KindBadCredentials},
	{"missingsecuritytoken", KindBadCredentials},
	{"invalidtimestamp", KindClockSkew},
	{"forbidden", KindForbidden},
	{"nopermission", KindForbidden},
	{"accessforbidden", KindForbidden},
	{"accessdenied", KindForbidden},
	{"signaturenonceused", KindNetwork}, // something on the way sent the request twice
	{"internal", KindServer},
	{"serviceunavailable", KindServer},
}

// classify returns the kind of an error by its code first and by the HTTP status second.
func classify(code string, status int) Kind {
	lower := strings.ToLower(code)
	for _, c := range codeKinds {
		if strings.HasPrefix(lower, c.prefix) {
			return c.kind
		}
	}
	if strings.Contains(lower, "quota") {
		return KindQuotaExhausted
	}
	if status == http.StatusOK {
		return classifyCode(code)
	}
	return classifyStatus(status)
}

// classifyCode returns the kind of an error with HTTP status 200: its code may be a status.
func classifyCode(code string) Kind {
	status, err := strconv.Atoi(code)
	switch {
	case err == nil && status >= http.StatusBadRequest:
		return classifyStatus(status)
	case err == nil || code == "":
		return KindServer
	default:
		return KindInvalidRequest
	}
}

// classifyStatus returns the kind of an error with an HTTP status other than 200.
func classifyStatus(status int) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return KindThrottled
	case status == http.StatusPaymentRequired:
		return KindQuotaExhausted
	case status == http.StatusUnauthorized:
		return KindBadCredentials
	case status == http.StatusForbidden:
		return KindForbidden
	case status == http.StatusRequestTimeout:
		return KindNetwork
	case status >= http.StatusInternalServerError:
		return KindServer
	case status >= http.StatusBadRequest:
		return KindInvalidRequest
	default: // a redirect, or a success without a page
		return KindMalformedReply
	}
}

// retryAfter returns how long to wait, from the gateway's X-Ratelimit headers, in milliseconds, or from Retry-After.
func retryAfter(header http.Header) time.Duration {
	left := openapiutil.GetThrottlingTimeLeft(map[string]*string{
		"x-ratelimit-user-api": dara.String(header.Get("X-Ratelimit-User-Api")),
		"x-ratelimit-user":     dara.String(header.Get("X-Ratelimit-User")),
	})
	if ms := dara.Int64Value(left); ms > 0 {
		return time.Duration(min(ms, maxRetryAfter.Milliseconds())) * time.Millisecond
	}
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
