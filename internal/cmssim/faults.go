package cmssim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// FaultKind is a way to misbehave. Faults only affect valid calls of DescribeMetricList.
type FaultKind string

// Faults that reject the call.
const (
	FaultThrottled        FaultKind = "throttled"          // 400 Throttling.User, with the header x-ratelimit-user-api
	FaultQuotaExhausted   FaultKind = "quota_exhausted"    // 402 LimitExceeded
	FaultNoPermission     FaultKind = "no_permission"      // 403 NoPermission
	FaultInvalidParameter FaultKind = "invalid_parameter"  // 400 InvalidParameter
	FaultResourceNotFound FaultKind = "resource_not_found" // 404 ResourceNotFound
	FaultInternalError    FaultKind = "internal_error"     // 500 InternalError
	FaultBadGateway       FaultKind = "bad_gateway"        // 502 with HTML
	FaultNoSuccess        FaultKind = "no_success"         // 200 with Success false and Code "500"
)

// Faults of the connection.
const (
	FaultHang            FaultKind = "hang"             // no reply until the client goes away or the server is closed
	FaultConnectionReset FaultKind = "connection_reset" // the connection is reset before a reply
	FaultTruncatedBody   FaultKind = "truncated_body"   // the connection is closed in the middle of the reply
	FaultOversizedBody   FaultKind = "oversized_body"   // an endless reply, until the client goes away or the server is closed
)

// Faults of the page.
const (
	FaultMalformedPoints FaultKind = "malformed_points" // malformed points between the good ones
	FaultDuplicatePoints FaultKind = "duplicate_points" // every point twice
	FaultLatePoints      FaultKind = "late_points"      // points are visible one period later than they should be
	FaultRepeatedToken   FaultKind = "repeated_token"   // from the second page on, NextToken is the one that was sent
)

// errorFaults are the faults that are an error reply.
var errorFaults = map[FaultKind]*serviceError{
	FaultThrottled:        {http.StatusBadRequest, "Throttling.User", "Request was denied due to user flow control."},
	FaultQuotaExhausted:   {http.StatusPaymentRequired, "LimitExceeded", "The quota for this customer had been reached."},
	FaultNoPermission:     {http.StatusForbidden, "NoPermission", "You are not authorized to perform this action: cms:QueryMetricList."},
	FaultInvalidParameter: {http.StatusBadRequest, "InvalidParameter", "The specified parameter is not valid."},
	FaultResourceNotFound: errResource,
	FaultInternalError:    {http.StatusInternalServerError, "InternalError", "The request processing has failed due to some unknown error."},
}

// FaultKinds returns all kinds, sorted.
func FaultKinds() []FaultKind {
	kinds := []FaultKind{FaultTruncatedBody, FaultMalformedPoints, FaultDuplicatePoints, FaultLatePoints, FaultRepeatedToken}
	kinds = slices.AppendSeq(kinds, maps.Keys(errorFaults))
	kinds = slices.AppendSeq(kinds, maps.Keys(replyFaults))
	slices.Sort(kinds)
	return kinds
}

// Fault makes calls fail.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Times is how many calls are affected; 0 is all, until faults are cleared.
	Times int `json:"times,omitempty"`
	// Match limits the fault to calls that ask for this metric name or this instance ID, also among others.
	Match string `json:"match,omitempty"`
}

// affects reports whether the query asks for what the fault is limited to. A query without instances asks for all.
func (f Fault) affects(q query) bool {
	switch f.Match {
	case "", q.metric:
		return true
	case MetricAccumulation, MetricTopicAccumulation:
		return false
	}
	instances := q.instances()
	return len(instances) == 0 || slices.Contains(instances, f.Match)
}

// InjectFault appends a fault to the queue. Each call is affected by the first one that matches it.
// Its error names the field that is wrong.
func (s *Server) InjectFault(f Fault) error {
	if kinds := FaultKinds(); !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("kind %q is not a fault; the faults are %v", f.Kind, kinds)
	}
	if f.Times < 0 {
		return fmt.Errorf("times %d is negative; 0 is until faults are cleared", f.Times)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = append(s.faults.faults, f)
	return nil
}

// ClearFaults empties the queue. Calls that are already failing are not affected.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = nil
}

type faultQueue struct {
	mu     sync.Mutex
	faults []Fault
}

// take returns the kind of the fault that affects a query, empty for none.
func (q *faultQueue) take(asked query) FaultKind {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.faults, func(f Fault) bool { return f.affects(asked) })
	if i < 0 {
		return ""
	}
	f := q.faults[i]
	if f.Times == 1 {
		q.faults = slices.Delete(q.faults, i, i+1)
	} else if f.Times > 1 {
		q.faults[i].Times--
	}
	return f.Kind
}
