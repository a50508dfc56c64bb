package cmssim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// FaultKind is a way to misbehave. Faults befall only requests that are right: a wrong one gets its error in any case.
type FaultKind string

// Faults that refuse the call.
const (
	FaultThrottled        FaultKind = "throttled"          // 400 Throttling.User, with the header x-ratelimit-user-api
	FaultTooManyRequests  FaultKind = "too_many_requests"  // 429 ThrottlingException
	FaultQuotaExhausted   FaultKind = "quota_exhausted"    // 402 LimitExceeded
	FaultAccessForbidden  FaultKind = "access_forbidden"   // 403 AccessForbidden
	FaultNoPermission     FaultKind = "no_permission"      // 403 NoPermission
	FaultUnknownAccessKey FaultKind = "unknown_access_key" // 404 InvalidAccessKeyId.NotFound
	FaultBadSignature     FaultKind = "bad_signature"      // 400 SignatureDoesNotMatch
	FaultClockSkew        FaultKind = "clock_skew"         // 400 InvalidTimeStamp.Expired
	FaultExpiredToken     FaultKind = "expired_token"      // 400 InvalidSecurityToken.Expired
	FaultInternalError    FaultKind = "internal_error"     // 500 InternalError
	FaultBadGateway       FaultKind = "bad_gateway"        // 502 with HTML
	FaultUnavailable      FaultKind = "unavailable"        // 503 with an empty body
	FaultNoSuccess        FaultKind = "no_success"         // 200 with Success false and Code "500"
)

// Faults of the connection.
const (
	FaultHang            FaultKind = "hang"             // no reply until the client goes away or the server is closed
	FaultConnectionReset FaultKind = "connection_reset" // the connection is reset before a reply
	FaultTruncatedBody   FaultKind = "truncated_body"   // the connection is closed in the middle of the reply
	FaultOversizedBody   FaultKind = "oversized_body"   // a reply without end, until the client goes away or the server is closed
)

// Faults of the page.
const (
	FaultMalformedPoints FaultKind = "malformed_points" // malformed points between the good ones, see MalformedGroupPrefix
	FaultDuplicatePoints FaultKind = "duplicate_points" // every point twice
	FaultLatePoints      FaultKind = "late_points"      // points are visible one period later than they should be
	FaultRepeatedToken   FaultKind = "repeated_token"   // NextToken never ends, and from the second page on it is the one that was sent
)

// Variants of the page that CloudMonitor's documentation shows in one place or another.
const (
	FaultNumericCode     FaultKind = "numeric_code"     // Code is the number 200
	FaultTextSuccess     FaultKind = "text_success"     // Success is the string "true"
	FaultDatapointsArray FaultKind = "datapoints_array" // Datapoints is an array, not a string
	FaultEmptyNextToken  FaultKind = "empty_next_token" // the last page's NextToken is ""
	FaultNullNextToken   FaultKind = "null_next_token"  // the last page's NextToken is null
)

// Fault is an order to misbehave.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Times is how many calls it befalls; 0 is all, until faults are cleared.
	Times int `json:"times,omitempty"`
	// Match limits it to calls for a metric name or for an instance ID. A call for every instance is one for each.
	Match string `json:"match,omitempty"`
}

// errorFaults are the faults that are an error reply.
var errorFaults = map[FaultKind]*serviceError{
	FaultThrottled:        {http.StatusBadRequest, "Throttling.User", "Request was denied due to user flow control."},
	FaultTooManyRequests:  {http.StatusTooManyRequests, "ThrottlingException", "Request was denied due to request throttling."},
	FaultQuotaExhausted:   {http.StatusPaymentRequired, "LimitExceeded", "The quota for this customer had been reached."},
	FaultAccessForbidden:  {http.StatusForbidden, "AccessForbidden", "User not authorized to operate on the specified resource."},
	FaultNoPermission:     {http.StatusForbidden, "NoPermission", "You are not authorized to perform this action: cms:QueryMetricList."},
	FaultUnknownAccessKey: errAccessKey,
	FaultBadSignature:     errSignature,
	FaultClockSkew:        errDateExpired,
	FaultExpiredToken:     errTokenExpired,
	FaultInternalError:    {http.StatusInternalServerError, "InternalError", "The request processing has failed due to some unknown error."},
}

// otherFaults are those that take a function to answer.
var otherFaults = []FaultKind{
	FaultBadGateway, FaultUnavailable, FaultNoSuccess, FaultHang, FaultConnectionReset, FaultTruncatedBody, FaultOversizedBody,
	FaultMalformedPoints, FaultDuplicatePoints, FaultLatePoints, FaultRepeatedToken,
	FaultNumericCode, FaultTextSuccess, FaultDatapointsArray, FaultEmptyNextToken, FaultNullNextToken,
}

// FaultKinds returns all kinds, sorted.
func FaultKinds() []FaultKind {
	return slices.Sorted(slices.Values(slices.Concat(otherFaults, slices.Collect(maps.Keys(errorFaults)))))
}

// validate returns an error that names the field that is wrong.
func (f Fault) validate() error {
	if kinds := FaultKinds(); !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("kind %q is not a fault; the faults are %s", f.Kind, strings.Trim(fmt.Sprint(kinds), "[]"))
	}
	if f.Times < 0 {
		return fmt.Errorf("times %d is negative; 0 is until faults are cleared", f.Times)
	}
	return nil
}

func (f Fault) befalls(q query) bool {
	instances := q.instances()
	return f.Match == "" || f.Match == q.metric || slices.Contains(instances, f.Match) ||
		len(instances) == 0 && f.Match != MetricAccumulation && f.Match != MetricTopicAccumulation
}

// maxFaults bounds the queue.
const maxFaults = 1000

// InjectFault puts a fault at the end of the queue. Each call suffers the first one in the queue that matches it.
// An error names the field that is wrong.
func (s *Server) InjectFault(f Fault) error {
	if err := f.validate(); err != nil {
		return err
	}
	return s.faults.add(f)
}

// ClearFaults empties the queue. Calls that a fault has befallen already go on as they are.
func (s *Server) ClearFaults() {
	s.faults.clear()
}

type faultQueue struct {
	mu     sync.Mutex
	faults []Fault
}

func (q *faultQueue) add(f Fault) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.faults) == maxFaults {
		return fmt.Errorf("%d faults are waiting, which is the most; clear them first", maxFaults)
	}
	q.faults = append(q.faults, f)
	return nil
}

func (q *faultQueue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults = nil
}

// take returns the kind of the fault that befalls a query, empty for none.
func (q *faultQueue) take(asked query) FaultKind {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.faults, func(f Fault) bool { return f.befalls(asked) })
	if i < 0 {
		return ""
	}
	kind := q.faults[i].Kind
	switch q.faults[i].Times {
	case 0:
	case 1:
		q.faults = slices.Delete(q.faults, i, i+1)
	default:
		q.faults[i].Times--
	}
	return kind
}
