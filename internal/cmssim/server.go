// Package cmssim simulates CloudMonitor (CMS) for tests and demos: the call DescribeMetricList of API version 2019-01-01
// for the Kafka metrics that count messages not yet consumed.
//
// It is strict where CloudMonitor's documentation is, so that a client which breaks a limit fails its tests: signatures
// (ACS3-HMAC-SHA256) are verified, parameters and their limits are enforced, points become visible only once they are
// published. Its points come from a [Scenario] and from [Server.AddPoints], its misbehaviour from [Server.InjectFault].
// Nothing is random and every time comes from one clock, which tests drive.
package cmssim

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The metrics of the namespace acs_kafka that the simulator knows (CloudMonitor metric list, Kafka).
const (
	// MetricAccumulation has one series for each consumer group.
	MetricAccumulation = "message_accumulation"
	// MetricTopicAccumulation has one series for each consumer group and topic.
	MetricTopicAccumulation = "message_accumulation_onetopic"
)

// The key pair that is accepted when the options name none.
const (
	DefaultAccessKeyID     = "testid"
	DefaultAccessKeySecret = "testsecret"
)

// Options configures a server. The zero value serves no series but those of [Server.AddPoints].
type Options struct {
	// Clock tells the time for everything: which points exist and are published, and whether a signature is of now.
	// Default time.Now.
	Clock func() time.Time
	// AccessKeyID and AccessKeySecret are the one key pair that is accepted.
	// Default DefaultAccessKeyID and DefaultAccessKeySecret.
	AccessKeyID, AccessKeySecret string
	// SecurityToken has to come with every request when it is set.
	SecurityToken string
	// Scenario describes the series. It starts when the server is made.
	Scenario Scenario
}

// Server is the simulated CloudMonitor, an [http.Handler]. It is safe for concurrent use.
type Server struct {
	opts   Options
	offset atomic.Int64 // of the clock, in nanoseconds
	calls  atomic.Uint64
	nonces nonceCache
	faults faultQueue
	log    requestLog
	store  *store

	closed    chan struct{}
	closeOnce sync.Once
}

// New returns a server whose scenario starts now. An error names everything that is wrong with the scenario.
func New(opts Options) (*Server, error) {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.AccessKeyID == "" {
		opts.AccessKeyID = DefaultAccessKeyID
	}
	if opts.AccessKeySecret == "" {
		opts.AccessKeySecret = DefaultAccessKeySecret
	}
	if err := opts.Scenario.Validate(); err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	s := &Server{opts: opts, closed: make(chan struct{})}
	s.store = newStore(opts.Scenario, s.Now())
	return s, nil
}

// Close ends the calls that hang or never end. An HTTP server waits for them, so Close comes before its shutdown.
func (s *Server) Close() {
	s.closeOnce.Do(func() { close(s.closed) })
}

// Now returns the server's time.
func (s *Server) Now() time.Time {
	return s.opts.Clock().Add(time.Duration(s.offset.Load()))
}

// AdvanceClock moves the server's time by d, also backwards, relative to [Options.Clock].
func (s *Server) AdvanceClock(d time.Duration) {
	s.offset.Add(int64(d))
}

// SetClockOffset makes the server's time that of [Options.Clock] plus d.
func (s *Server) SetClockOffset(d time.Duration) {
	s.offset.Store(int64(d))
}

// call is one request on its way through the server.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	id    string // RequestId
	query query
	fault FaultKind // empty without one
}

// ServeHTTP answers a request as CloudMonitor would, or as a fault says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.calls.Add(1)
	c := &call{w: w, r: r, id: fmt.Sprintf("%08X-0000-4000-8000-%012X", uint32(n>>32), n)}
	entry := Request{Number: n, Time: s.Now(), Action: r.Header.Get("x-acs-action")}

	params, err := s.authenticate(w, r)
	if err == nil {
		c.query, err = parseQuery(params, s.store.accountID)
		entry.describe(c.query)
	}
	if err != nil {
		entry.Outcome = err.Code
		s.log.add(entry)
		c.fail(err)
		return
	}
	c.fault = s.faults.take(c.query)
	entry.Fault = c.fault
	s.answer(c, entry)
}
