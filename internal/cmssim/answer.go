package cmssim

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// answer logs a valid request and replies to it.
func (s *Server) answer(c *call, entry Request) {
	if err, ok := errorFaults[c.fault]; ok {
		entry.Outcome = err.Code
		s.log.add(entry)
		if c.fault == FaultThrottled {
			c.w.Header().Set("x-ratelimit-user-api", "Limit:50,Remain:0,TimeLeft:1000,Reset:0")
		}
		c.fail(err)
		return
	}
	if reply := s.withoutPage(c); reply != nil {
		entry.Outcome = string(c.fault)
		s.log.add(entry)
		reply()
		return
	}
	body, points := s.page(c)
	entry.Outcome, entry.Points = OutcomeOK, points
	s.log.add(entry)
	if c.fault == FaultTruncatedBody {
		c.truncate(body)
		return
	}
	c.send(http.StatusOK, jsonType, body)
}

const jsonType = "application/json;charset=utf-8"

// withoutPage returns what answers a fault that needs no page, nil for any other.
func (s *Server) withoutPage(c *call) func() {
	switch c.fault {
	case FaultBadGateway:
		return func() {
			c.send(http.StatusBadGateway, "text/html", []byte("<html><body><h1>502 Bad Gateway</h1></body></html>\r\n"))
		}
	case FaultUnavailable:
		return func() { c.send(http.StatusServiceUnavailable, "text/plain", nil) }
	case FaultNoSuccess:
		return func() {
			c.send(http.StatusOK, jsonType, []byte(`{"RequestId":`+quote(c.id)+
				`,"Success":false,"Code":"500","Message":"The request processing has failed."}`))
		}
	case FaultHang:
		return func() { s.hang(c) }
	case FaultConnectionReset:
		return c.reset
	case FaultOversizedBody:
		return func() { s.writeForever(c) }
	default:
		return nil
	}
}

// hang returns when the client has gone or the server is closed, without a reply.
func (s *Server) hang(c *call) {
	select {
	case <-c.r.Context().Done():
	case <-s.closed:
	}
	panic(http.ErrAbortHandler)
}

// reset closes the connection with a TCP reset.
func (c *call) reset() {
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the closest thing without a connection of its own
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// truncate announces the whole body and sends half of it.
func (c *call) truncate(body []byte) {
	c.w.Header().Set("Content-Type", jsonType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = c.w.Write(body[:len(body)/2])
	_ = http.NewResponseController(c.w).Flush()
	panic(http.ErrAbortHandler)
}

// writeForever sends a page that does not end.
func (s *Server) writeForever(c *call) {
	c.w.Header().Set("Content-Type", jsonType)
	_, err := c.w.Write([]byte(`{"RequestId":` + quote(c.id) + `,"Success":true,"Code":"200","Datapoints":"[`))
	point := []byte(quote(`{"timestamp":1700000000000,"userId":"1","instanceId":"i","consumerGroup":"g","Value":1},`))
	for point = point[1 : len(point)-1]; err == nil; _, err = c.w.Write(point) {
		select {
		case <-s.closed:
			panic(http.ErrAbortHandler)
		default:
		}
	}
}

// page makes the reply with the points of a query, and tells how many they are.
func (s *Server) page(c *call) ([]byte, int) {
	late := time.Duration(0)
	if c.fault == FaultLatePoints {
		late = c.query.period
	}
	points, next := s.store.page(c.query, s.Now(), late)
	switch c.fault {
	case FaultDuplicatePoints:
		points = twice(points)
	case FaultMalformedPoints:
		points = mix(points, s.malformedPoints(c.query))
	}
	return newReply(c, points, s.nextToken(c, next)).encode(), len(points)
}

// nextToken returns the NextToken of a reply, empty after the last page.
func (s *Server) nextToken(c *call, next *cursor) string {
	switch {
	case c.fault == FaultRepeatedToken && c.query.nextToken != "":
		return c.query.nextToken
	case c.fault == FaultRepeatedToken && next == nil:
		return cursor{asOf: s.Now().UnixMilli(), timestamp: c.query.end.UnixMilli() + 1}.token(c.query)
	case next != nil:
		return next.token(c.query)
	default:
		return ""
	}
}
