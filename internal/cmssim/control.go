package cmssim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// maxControlBytes is the limit for the body of a control request.
const maxControlBytes = 64 << 20

// Control returns the handler of the control API, which does over HTTP what Go tests do by calling the server:
//
//	POST   /sim/faults    a Fault                                   InjectFault
//	DELETE /sim/faults                                              ClearFaults
//	POST   /sim/points    {"points": [Point, …]}                    AddPoints
//	GET    /sim/requests  → {"total": n, "requests": [Request, …]}  RequestCount, Requests
//	POST   /sim/consumers a Consumer                                SetConsumer
//	POST   /sim/clock     {"offset": "-20m"}                        SetClockOffset
//
// A change answers 200 with {"now": <the server's time>}, an invalid one 400 with {"error": <what is wrong>}.
// The API has no authentication: serve it on a loopback address only.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sim/faults", change(s, s.InjectFault))
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		s.writeNow(w)
	})
	mux.HandleFunc("POST /sim/points", change(s, func(v struct{ Points []Point }) error { return s.AddPoints(v.Points...) }))
	mux.HandleFunc("POST /sim/consumers", change(s, s.SetConsumer))
	mux.HandleFunc("POST /sim/clock", change(s, s.changeClock))
	mux.HandleFunc("GET /sim/requests", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"total": s.RequestCount(), "requests": s.Requests()})
	})
	return mux
}

func (s *Server) changeClock(v struct{ Offset string }) error {
	d, err := time.ParseDuration(v.Offset)
	if err != nil {
		return fmt.Errorf("offset: %w; it is a duration such as 90s or -20m", err)
	}
	s.SetClockOffset(d)
	return nil
}

// change returns a handler that reads a T in JSON and applies it.
func change[T any](s *Server, apply func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes))
		d.DisallowUnknownFields()
		err := d.Decode(&v)
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

func (s *Server) writeNow(w http.ResponseWriter) {
	writeJSON(w, http.StatusOK, map[string]time.Time{"now": s.Now()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
