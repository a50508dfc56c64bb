package cmssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxControlBytes bounds the body of a control request.
const maxControlBytes = 64 << 20

// Control returns the handler of the control API, with which black-box tests do what Go tests do by calling the server:
//
//	POST   /sim/faults      a Fault                                            InjectFault
//	DELETE /sim/faults                                                         ClearFaults
//	POST   /sim/points      {"points": [Point, …]}                             AddPoints
//	GET    /sim/requests    → {"total": n, "requests": [Request, …]}           RequestCount, Requests
//	POST   /sim/clock       {"advance": "5m"} or {"offset": "-20m"}            AdvanceClock, SetClockOffset
//	POST   /sim/lag         {"instance_id", "consumer_group", "topic", "lag"}  SetLag
//	POST   /sim/groups/end  {"instance_id", "consumer_group"}                  EndGroup
//
// It has no authentication: serve it on a loopback address only. A change answers 200 with {"now": <the server's time>},
// a refused one 400 with {"error": <what is wrong>}.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sim/faults", change(s, s.InjectFault))
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		s.writeNow(w)
	})
	mux.HandleFunc("POST /sim/points", change(s, func(p pointsChange) error { return s.AddPoints(p.Points...) }))
	mux.HandleFunc("GET /sim/requests", s.writeRequests)
	mux.HandleFunc("POST /sim/clock", change(s, s.changeClock))
	mux.HandleFunc("POST /sim/lag", change(s, s.changeLag))
	mux.HandleFunc("POST /sim/groups/end", change(s, func(g groupChange) error { return s.EndGroup(g.InstanceID, g.ConsumerGroup) }))
	return mux
}

type pointsChange struct {
	Points []Point `json:"points"`
}

type groupChange struct {
	InstanceID    string `json:"instance_id"`
	ConsumerGroup string `json:"consumer_group"`
}

type lagChange struct {
	groupChange
	Topic string   `json:"topic"`
	Lag   *float64 `json:"lag"`
}

type clockChange struct {
	Advance string `json:"advance"`
	Offset  string `json:"offset"`
}

func (s *Server) changeLag(c lagChange) error {
	if c.Lag == nil {
		return errors.New("lag is missing")
	}
	return s.SetLag(c.InstanceID, c.ConsumerGroup, c.Topic, *c.Lag)
}

func (s *Server) changeClock(c clockChange) error {
	if (c.Advance == "") == (c.Offset == "") {
		return errors.New("give either advance or offset, a duration such as 90s or -20m")
	}
	d, err := time.ParseDuration(c.Advance + c.Offset)
	if err != nil {
		return fmt.Errorf("advance or offset: %w; it is a duration such as 90s or -20m", err)
	}
	if c.Advance != "" {
		s.AdvanceClock(d)
	} else {
		s.SetClockOffset(d)
	}
	return nil
}

// change returns a handler that reads a T and applies it.
func change[T any](s *Server, apply func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		err := decodeStrict(http.MaxBytesReader(w, r.Body, maxControlBytes), &v)
		if err == nil {
			err = apply(v)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		s.writeNow(w)
	}
}

// decodeStrict reads one JSON value without unknown fields and with nothing after it.
func decodeStrict(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("body: there is something after the JSON value")
	}
	return nil
}

func (s *Server) writeNow(w http.ResponseWriter) {
	writeJSON(w, http.StatusOK, map[string]time.Time{"now": s.Now()})
}

func (s *Server) writeRequests(w http.ResponseWriter, _ *http.Request) {
	requests, total := s.log.snapshot()
	writeJSON(w, http.StatusOK, struct {
		Total    uint64    `json:"total"`
		Requests []Request `json:"requests"`
	}{total, requests})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
