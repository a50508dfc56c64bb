package alicloud

import (
	"cmp"
	"net/http"
	"regexp"
	"strconv"
	"time"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
)

// maxRetryAfter is the longest wait a reply is believed to ask for.
const maxRetryAfter = time.Hour

// codeKinds gives the kind by the code; the first match counts. The codes are those of the API gateway and of CloudMonitor's
// error tables, which disagree on HTTP statuses, and one of which misspells ThrottlingException.
var codeKinds = []struct {
	kind  Kind
	codes *regexp.Regexp
}{
	{KindThrottled, regexp.MustCompile(`(?i)^(throttl|ons_system_flow_control$)`)}, // the second is of AliKafka
	{KindQuotaExhausted, regexp.MustCompile(`(?i)^(limitexceeded|exceedingquota)`)},
	{KindExpiredToken, regexp.MustCompile(`(?i)^(invalid)?securitytoken\.?expire`)},
	{KindBadCredentials, regexp.MustCompile(`(?i)^(invalid|missing)(accesskeyid|securitytoken)|^signaturedoesnotmatch|^incompletesignature`)},
	{KindClockSkew, regexp.MustCompile(`(?i)^invalidtimestamp`)},
	{KindForbidden, regexp.MustCompile(`(?i)^(forbidden|nopermission|accessforbidden|accessdenied)`)},
	{KindNetwork, regexp.MustCompile(`(?i)^signaturenonceused`)}, // something on the way sent the request twice
	{KindServer, regexp.MustCompile(`(?i)^(internal|serviceunavailable)`)},
	{KindQuotaExhausted, regexp.MustCompile(`(?i)quota`)},
}

var statusKinds = map[int]Kind{
	http.StatusPaymentRequired: KindQuotaExhausted,
	http.StatusUnauthorized:    KindBadCredentials,
	http.StatusForbidden:       KindForbidden,
	http.StatusRequestTimeout:  KindNetwork,
	http.StatusTooManyRequests: KindThrottled,
}

// classify returns the kind of an error by its code first and by the HTTP status second. With status 200, the code may be
// a status.
func classify(code string, status int) Kind {
	for _, c := range codeKinds {
		if c.codes.MatchString(code) {
			return c.kind
		}
	}
	if status == http.StatusOK {
		n, err := strconv.Atoi(cmp.Or(code, "0"))
		switch {
		case err != nil:
			return KindInvalidRequest
		case n < http.StatusBadRequest:
			return KindServer
		}
		status = n
	}
	switch kind := statusKinds[status]; {
	case kind != "":
		return kind
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
	ms := dara.Int64Value(openapiutil.GetThrottlingTimeLeft(map[string]*string{
		"x-ratelimit-user-api": dara.String(header.Get("X-Ratelimit-User-Api")),
		"x-ratelimit-user":     dara.String(header.Get("X-Ratelimit-User")),
	}))
	if value := header.Get("Retry-After"); ms <= 0 && value != "" {
		if at, err := http.ParseTime(value); err == nil {
			ms = time.Until(at).Milliseconds()
		} else if seconds, err := strconv.Atoi(value); err == nil {
			ms = int64(min(seconds, int(maxRetryAfter.Seconds()))) * 1000
		}
	}
	return time.Duration(min(max(ms, 0), maxRetryAfter.Milliseconds())) * time.Millisecond
}
