package cms

import (
	"errors"
	"math"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// maxTimestamp is the last millisecond that a count of nanoseconds can express.
const maxTimestamp = math.MaxInt64 / 1_000_000

// element reads the elements of Datapoints, one after the other. Dimensions and statistics share one flat object, which
// is visited once.
type element struct {
	names    *names
	perTopic bool
	visit    func(key []byte, v *fastjson.Value) // set, kept so that it is allocated once

	point lag.Point
	rank  int  // of the statistic that gave point.Value; 0 for none
	valid bool // whether that statistic is a number

	account, instance string // the names of the element before, which most often repeat
	number            []byte // memory for the text of a number
}

func newElement(n *names) *element {
	e := &element{names: n}
	e.visit = e.set
	return e
}

// read returns the point that v describes, and reports whether v describes one.
func (e *element) read(v *fastjson.Value) (lag.Point, bool) {
	e.point, e.rank, e.valid = lag.Point{}, 0, false
	v.GetObject().Visit(e.visit)
	p := e.point
	return p, e.valid && p.Timestamp > 0 && p.Instance != "" && p.Group != "" && (p.Topic != "" || !e.perTopic)
}

// set takes over the value of one key. Value counts before Maximum, and Maximum before Average.
func (e *element) set(key []byte, v *fastjson.Value) {
	switch string(key) {
	case "timestamp":
		e.point.Timestamp = e.milliseconds(v)
	case "userId":
		e.account = e.name(v, e.account)
		e.point.Account = e.account
	case "instanceId":
		e.instance = e.name(v, e.instance)
		e.point.Instance = e.instance
	case "consumerGroup":
		e.point.Group = e.name(v, "")
	case "topic":
		if e.perTopic {
			e.point.Topic = e.name(v, "")
		}
	case "Value":
		e.statistic(v, 3)
	case "Maximum":
		e.statistic(v, 2)
	case "Average":
		e.statistic(v, 1)
	}
}

// statistic takes the value of the highest rank. Presence decides, not the number.
func (e *element) statistic(v *fastjson.Value, rank int) {
	if rank > e.rank && v.Type() != fastjson.TypeNull {
		e.rank = rank
		e.point.Value, e.valid = e.float(v)
	}
}

// milliseconds returns a timestamp, or 0 if v is none.
func (e *element) milliseconds(v *fastjson.Value) int64 {
	if ms, err := v.Int64(); err == nil && ms <= maxTimestamp {
		return ms
	}
	if f, ok := e.float(v); ok && f > 0 && f <= maxTimestamp {
		return int64(f)
	}
	return 0
}

// float returns a number, or a string that holds one. What is too large for a float64 is infinite, not an error.
// The parser's own conversion is not used: it is inexact for numbers with an exponent, such as 1.70000004E12.
func (e *element) float(v *fastjson.Value) (float64, bool) {
	f, err := strconv.ParseFloat(string(e.text(v)), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// name returns the string or number v as a string, or "" if it is neither. It is fastest if that equals last.
func (e *element) name(v *fastjson.Value, last string) string {
	b := e.text(v)
	if string(b) == last {
		return last
	}
	return e.names.get(b)
}

// text returns what is written in the string or number v, or nil if it is neither. It is valid until the next call.
func (e *element) text(v *fastjson.Value) []byte {
	if v.Type() == fastjson.TypeNumber {
		e.number = v.MarshalTo(e.number[:0])
		return e.number
	}
	return v.GetStringBytes()
}
