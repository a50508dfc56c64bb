package cmssim

import (
	"strconv"
	"strings"
	"time"
)

// reply is a page as it is sent: fields are JSON, an empty one is left out.
type reply struct {
	requestID  string
	success    string
	code       string
	period     string
	nextToken  string
	datapoints string
}

func newReply(c *call, points []string, nextToken string) reply {
	array := "[" + strings.Join(points, ",") + "]"
	r := reply{
		requestID:  quote(c.id),
		success:    "true",
		code:       `"200"`,
		period:     quote(strconv.Itoa(int(c.query.period / time.Second))),
		datapoints: quote(array), // CloudMonitor encodes the points twice
	}
	if nextToken != "" {
		r.nextToken = quote(nextToken)
	}
	switch c.fault {
	case FaultNumericCode:
		r.code = "200"
	case FaultTextSuccess:
		r.success = `"true"`
	case FaultDatapointsArray:
		r.datapoints = array
	case FaultEmptyNextToken, FaultNullNextToken:
		if nextToken == "" {
			r.nextToken = map[FaultKind]string{FaultEmptyNextToken: `""`, FaultNullNextToken: "null"}[c.fault]
		}
	}
	return r
}

func (r reply) encode() []byte {
	// CloudMonitor's own sample of a success has this message: a message alone is no failure.
	b := []byte(`{"RequestId":` + r.requestID + `,"Message":"The specified resource is not found."`)
	for _, field := range [...]struct{ name, value string }{
		{"Success", r.success},
		{"Code", r.code},
		{"Period", r.period},
		{"NextToken", r.nextToken},
		{"Datapoints", r.datapoints},
	} {
		if field.value != "" {
			b = append(b, `,"`+field.name+`":`...)
			b = append(b, field.value...)
		}
	}
	return append(b, '}')
}
