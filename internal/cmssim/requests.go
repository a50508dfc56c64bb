package cmssim

import (
	"slices"
	"sync"
	"time"
)

// maxRequests is how many requests the log keeps.
const maxRequests = 2_000

// OutcomeOK is the outcome of a request that was answered with a page or with keys.
const OutcomeOK = "OK"

// Request is one call in the log. A rejected call may lack what it asked for.
type Request struct {
	Time      time.Time `json:"time"` // by the server's clock
	Action    string    `json:"action"`
	Metric    string    `json:"metric,omitempty"`
	Period    int       `json:"period_seconds,omitempty"`
	Start     time.Time `json:"start,omitzero"` // exclusive
	End       time.Time `json:"end,omitzero"`   // inclusive
	Length    int       `json:"length,omitempty"`
	Instances []string  `json:"instances,omitempty"` // as in Dimensions; none is every instance
	Groups    []string  `json:"groups,omitempty"`    // as in Dimensions; none is every group
	NextToken string    `json:"next_token,omitempty"`
	Fault     FaultKind `json:"fault,omitempty"`  // the fault that affected the call
	Outcome   string    `json:"outcome"`          // OutcomeOK, the code of an error, or the kind of a fault that has neither
	Points    int       `json:"points,omitempty"` // how many elements Datapoints had
}

func (r *Request) describe(q query) {
	r.Metric = q.metric
	r.Period = int(q.period / time.Second)
	r.Start, r.End = q.start, q.end
	r.Length = q.length
	r.Instances = q.instances()
	r.Groups = q.groups()
	r.NextToken = q.nextToken
}

// requestLog keeps the last maxRequests requests.
type requestLog struct {
	mu       sync.Mutex
	requests []Request // oldest first
	total    uint64
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) == maxRequests {
		l.requests = slices.Delete(l.requests, 0, 1)
	}
	l.requests = append(l.requests, r)
	l.total++
}

// Requests returns the last 2,000 requests, oldest first. A request is in the log before it is answered.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.requests)
}

// RequestCount returns how many requests there were since the start.
func (s *Server) RequestCount() uint64 {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.total
}
