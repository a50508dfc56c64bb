package cmssim

import (
	"net"
	"net/http"
	"strconv"
)

// replyFaults are the faults that answer without a page.
var replyFaults = map[FaultKind]func(*Server, *call){
	FaultBadGateway: func(_ *Server, c *call) {
		c.send(http.StatusBadGateway, "text/html", []byte("<html><body><h1>502 Bad Gateway</h1></body></html>\r\n"))
	},
	FaultNoSuccess: func(_ *Server, c *call) {
		c.sendJSON(http.StatusOK, map[string]any{
			"RequestId": c.id, "Success": false, "Code": "500", "Message": "The request processing has failed.",
		})
	},
	FaultHang:            (*Server).hang,
	FaultConnectionReset: func(_ *Server, c *call) { c.reset() },
	FaultOversizedBody:   (*Server).writeForever,
}

// hang waits until the client goes away or the server is closed. It does not return, so that nothing is answered.
func (s *Server) hang(c *call) {
	select {
	case <-c.r.Context().Done():
	case <-s.closed:
	}
	panic(http.ErrAbortHandler)
}

// reset closes the connection with a TCP reset, or the stream if it is one of HTTP/2.
func (c *call) reset() {
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// truncate announces the whole body, sends half of it and closes the connection. It does not return.
func (c *call) truncate(body []byte) {
	c.w.Header().Set("Content-Type", jsonType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = c.w.Write(body[:len(body)/2])
	_ = http.NewResponseController(c.w).Flush()
	panic(http.ErrAbortHandler)
}

// writeForever sends a page without end, until the client goes away or the server is closed.
func (s *Server) writeForever(c *call) {
	c.w.Header().Set("Content-Type", jsonType)
	_, err := c.w.Write([]byte(`{"Success":true,"Code":"200","Datapoints":"[`))
	point := quote(`{"timestamp":1700000000000,"userId":"1","instanceId":"i","consumerGroup":"g","Value":1},`)
	for err == nil {
		select {
		case <-s.closed:
			panic(http.ErrAbortHandler)
		default:
			_, err = c.w.Write([]byte(point[1 : len(point)-1]))
		}
	}
}
