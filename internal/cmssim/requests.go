package cmssim

import (
	"sync"
	"time"
)

// maxRequests is how many requests the log keeps.
const maxRequests = 2_000

// OutcomeOK is the outcome of a request that was answered with a page.
const OutcomeOK = "OK"

// Request is one call in the log. What a refused call asked for may be missing.
type Request struct {
	Number    uint64    `json:"number"` // of the call, from 1
	Time      time.Time `json:"time"`   // by the server's clock
	Action    string    `json:"action"`
	Metric    string    `json:"metric,omitempty"`
	Period    int       `json:"period_seconds,omitempty"`
	Start     time.Time `json:"start,omitzero"` // exclusive
	End       time.Time `json:"end,omitzero"`   // inclusive
	Length    int       `json:"length,omitempty"`
	Instances []string  `json:"instances,omitempty"` // as in Dimensions; none is every instance
	NextToken string    `json:"next_token,omitempty"`
	Fault     FaultKind `json:"fault,omitempty"`  // the fault that shaped the reply
	Outcome   string    `json:"outcome"`          // OutcomeOK, the code of an error, or the kind of a fault that sends neither
	Points    int       `json:"points,omitempty"` // how many elements Datapoints had
}

func (r *Request) describe(q query) {
	r.Metric = q.metric
	r.Period = int(q.period / time.Second)
	r.Start, r.End = q.start, q.end
	r.Length = q.length
	r.Instances = q.instances()
	r.NextToken = q.nextToken
}

// requestLog keeps the last maxRequests requests.
type requestLog struct {
	mu    sync.Mutex
	ring  []Request
	total uint64
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < maxRequests {
		l.ring = append(l.ring, r)
	} else {
		l.ring[l.total%maxRequests] = r
	}
	l.total++
}

// Requests returns the last 2,000 requests, oldest first. A request is in the log before its reply is sent.
func (s *Server) Requests() []Request {
	requests, _ := s.log.snapshot()
	return requests
}

// RequestCount returns how many requests there were since the start.
func (s *Server) RequestCount() uint64 {
	_, total := s.log.snapshot()
	return total
}

func (l *requestLog) snapshot() ([]Request, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := 0
	if len(l.ring) == maxRequests {
		oldest = int(l.total % maxRequests)
	}
	return append(append([]Request{}, l.ring[oldest:]...), l.ring[:oldest]...), l.total
}
