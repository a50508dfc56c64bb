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

// element reads the elements of Datapoints, one after the other. Dimensions and statistics share one flat object, whose
// keys are visited once, in any order.
type element struct {
	names    *names
	perTopic bool
	visit    func(key []byte, v *fastjson.Value) // set after parsing, kept so that it is allocated once

	point lag.Point
	rank  int  // of the statistic that gave point.Value; 0 for none
	valid bool // whether that statistic is a number

	account, instance string // the names of the element before, which most often repeat
}

func newElement(n *names) *element {
	e := &element{names: n}
	var number []byte
	e.visit = func(key []byte, v *fastjson.Value) {
		switch v.Type() {
		case fastjson.TypeNull:
		case fastjson.TypeNumber:
			number = v.MarshalTo(number[:0])
			e.set(key, number)
		default:
			e.set(key, v.GetStringBytes())
		}
	}
	return e
}

// parse reads v, which is nil for an element that does not parse.
func (e *element) parse(v *fastjson.Value) {
	e.reset()
	v.GetObject().Visit(e.visit)
}

func (e *element) reset() { e.point, e.rank, e.valid = lag.Point{}, 0, false }

// result returns the point that was read, and reports whether it is one.
func (e *element) result() (lag.Point, bool) {
	p := e.point
	return p, e.valid && p.Timestamp > 0 && p.Instance != "" && p.Group != "" && (p.Topic != "" || !e.perTopic)
}

// set takes over what is written in the string or number of one key; it is nil for other values, and not called for null.
// Value counts before Maximum, and Maximum before Average.
func (e *element) set(key, written []byte) {
	switch string(key) {
	case "timestamp":
		e.point.Timestamp = milliseconds(written)
	case "userId":
		e.account = e.name(written, e.account)
		e.point.Account = e.account
	case "instanceId":
		e.instance = e.name(written, e.instance)
		e.point.Instance = e.instance
	case "consumerGroup":
		e.point.Group = e.names.get(written)
	case "topic":
		if e.perTopic {
			e.point.Topic = e.names.get(written)
		}
	case "Value":
		e.statistic(written, 3)
	case "Maximum":
		e.statistic(written, 2)
	case "Average":
		e.statistic(written, 1)
	}
}

// statistic takes the value of the highest rank. Presence decides, not the number.
func (e *element) statistic(written []byte, rank int) {
	if rank > e.rank {
		e.rank = rank
		e.point.Value, e.valid = float(written)
	}
}

// name returns b as a string. It is fastest if that equals last.
func (e *element) name(b []byte, last string) string {
	if string(b) == last {
		return last
	}
	return e.names.get(b)
}

// milliseconds returns a timestamp, or 0 if b is none.
func milliseconds(b []byte) int64 {
	if f, _ := float(b); f > 0 && f <= maxTimestamp {
		return int64(f)
	}
	return 0
}

// float returns the number that b holds. What is too large for a float64 is infinite, not an error.
// The parser's own conversion is not used: it is inexact for numbers with an exponent, such as 1.70000004E12.
func float(b []byte) (float64, bool) {
	if n, ok := digits(b); ok {
		return float64(n), true
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// digits returns the number that b holds if it is a short one of nothing but digits.
func digits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0 && len(b) <= 18
}
