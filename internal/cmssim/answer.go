package cmssim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reply is a page of DescribeMetricList.
type reply struct {
	RequestID  string `json:"RequestId"`
	Success    bool
	Code       string
	Message    string
	Period     string // seconds
	NextToken  string `json:",omitempty"`
	Datapoints string // a JSON array of points: CloudMonitor encodes them twice
}

// describeMetricList answers a call, or returns the error to answer with.
func (s *Server) describeMetricList(c *call, params url.Values) *serviceError {
	q, err := parseQuery(params)
	c.entry.describe(q)
	if err != nil {
		return err
	}
	fault := s.faults.take(q)
	c.entry.Fault = fault
	if err := errorFaults[fault]; err != nil {
		return err
	}
	if answer := replyFaults[fault]; answer != nil {
		s.logged(c, string(fault))
		answer(s, c)
		return nil
	}
	points, token := s.page(q, fault)
	c.entry.Points = len(points)
	s.logged(c, OutcomeOK)
	body, _ := json.Marshal(reply{ // it can always be encoded
		RequestID: c.id, Success: true, Code: "200",
		// From CloudMonitor's own sample of a success: a message alone does not mean failure.
		Message:    "The specified resource is not found.",
		Period:     strconv.Itoa(int(q.period / time.Second)),
		NextToken:  token,
		Datapoints: "[" + strings.Join(points, ",") + "]",
	})
	if fault == FaultTruncatedBody {
		c.truncate(body)
	}
	c.send(http.StatusOK, jsonType, body)
	return nil
}

// page returns the points of a query and the next token, as a fault changes them.
func (s *Server) page(q query, fault FaultKind) (points []string, token string) {
	late := time.Duration(0)
	if fault == FaultLatePoints {
		late = q.period
	}
	points, next := s.store.page(q, s.Now(), late)
	if next != nil {
		token = next.token(q)
	}
	switch fault {
	case FaultDuplicatePoints:
		points = slices.Repeat(points, 2)
		slices.Sort(points) // they begin with their timestamps
	case FaultMalformedPoints:
		points = interleave(s.malformedPoints(q), points)
	case FaultRepeatedToken:
		token = cmp.Or(q.nextToken, token, cursor{asOf: s.Now().UnixNano()}.token(q))
	}
	return points, token
}
