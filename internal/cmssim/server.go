// Package cmssim simulates CloudMonitor (CMS) for tests and demos: DescribeMetricList of API version 2019-01-01 for the two
// Kafka lag metrics, the calls of STS that hand out keys for it, and GetConsumerProgress of AliKafka.
//
// It is strict where the documentation is, so that a client that breaks a limit fails its tests: signatures are verified,
// limits are enforced, and a point is visible only once it is published. Points come from a [Scenario] and from
// [Server.AddPoints], faults from [Server.InjectFault]. Nothing is random, and all times come from one clock.
package cmssim

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// The metrics of the namespace acs_kafka that the simulator knows.
const (
	// MetricAccumulation has one series for each consumer group.
	MetricAccumulation = "message_accumulation"
	// MetricTopicAccumulation has one series for each topic of a consumer group.
	MetricTopicAccumulation = "message_accumulation_onetopic"
)

// Options configures a server. The zero value serves only the points of [Server.AddPoints].
type Options struct {
	// Clock returns the time. Default time.Now.
	Clock func() time.Time
	// Scenario describes the series. It starts when the server is made.
	Scenario Scenario
}

// Server is the simulated CloudMonitor, an [http.Handler]. It is safe for concurrent use.
type Server struct {
	clock    func() time.Time
	offset   atomic.Int64 // of the clock, in nanoseconds
	calls    atomic.Uint64
	nonces   sync.Map
	sessions sessions
	faults   faultQueue
	log      requestLog
	store    *store

	closed    chan struct{}
	closeOnce sync.Once
}

// New returns a server whose scenario starts now. Its error names every invalid value of the scenario.
func New(opts Options) (*Server, error) {
	if err := opts.Scenario.validate(); err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	s := &Server{clock: opts.Clock, closed: make(chan struct{})}
	if s.clock == nil {
		s.clock = time.Now
	}
	s.store = newStore(opts.Scenario, s.Now())
	return s, nil
}

// Close ends the calls that hang. Call it before the HTTP server's shutdown, which waits for them.
func (s *Server) Close() {
	s.closeOnce.Do(func() { close(s.closed) })
}

// Now returns the server's time.
func (s *Server) Now() time.Time {
	return s.clock().Add(time.Duration(s.offset.Load()))
}

// SetClockOffset sets the server's time to that of [Options.Clock] plus d.
func (s *Server) SetClockOffset(d time.Duration) {
	s.offset.Store(int64(d))
}

// call is one request and its entry in the log.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	id    string // RequestId
	entry Request
}

// ServeHTTP answers a request as Alibaba Cloud would, or as a fault demands. The Date header has the server's time.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	c := &call{w: w, r: r, id: fmt.Sprintf("00000000-0000-4000-8000-%012X", s.calls.Add(1)), entry: Request{Time: now}}
	params, err := s.authenticate(c)
	if err == nil {
		err = s.dispatch(c, params)
	}
	if err != nil {
		s.logged(c, err.Code)
		c.fail(err)
	}
}

// dispatch answers an authenticated request, or returns the error to answer with.
func (s *Server) dispatch(c *call, params url.Values) *serviceError {
	switch c.entry.Action {
	case actionDescribeMetricList:
		return s.describeMetricList(c, params)
	case actionGetConsumerProgress:
		return s.getConsumerProgress(c, params)
	default:
		return s.assumeRole(c, params)
	}
}

// logged adds the call to the log. Tests rely on a request being there before its reply arrives.
func (s *Server) logged(c *call, outcome string) {
	c.entry.Outcome = outcome
	s.log.add(c.entry)
}
