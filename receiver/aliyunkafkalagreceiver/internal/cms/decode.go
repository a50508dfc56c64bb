package cms

import (
	"bytes"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

const (
	// maxKeptBytes is the largest reply whose memory is kept for the next one; the API gateway sends at most 2 MiB.
	maxKeptBytes = 2 << 20
	// maxValues bounds the memory of parsing, which grows with the number of JSON values: a full page has about 10,000,
	// 2 MiB of points about 90,000.
	maxValues = 1 << 18
	// maxTimestamp is the last millisecond that can be told in nanoseconds.
	maxTimestamp = math.MaxInt64 / 1_000_000
)

// decoder turns replies into pages. What it parses is valid until the next reply, so every string is copied.
type decoder struct {
	reply, points fastjson.Parser
	names         map[string]string // the strings of this page, so that each is allocated once
	number        []byte
}

// decode is as tolerant as the documented variants of the reply demand: CloudMonitor's own pages show Success as a boolean
// and as a string, Code as a string and as a number, Datapoints as an array and as a string that holds one, and a
// Message in replies of success.
func (d *decoder) decode(r *reply, perTopic bool) (Page, *Error) {
	body := r.body.Bytes()
	if r.status != http.StatusOK {
		return Page{}, serviceError(r.status, r.header, body)
	}
	d.names = map[string]string{}
	if len(body) > maxKeptBytes {
		defer func() { d.reply, d.points = fastjson.Parser{}, fastjson.Parser{} }()
	}
	v, ok := parse(&d.reply, body)
	if !ok || v.Type() != fastjson.TypeObject {
		return Page{}, malformed("reply is not a JSON object, or too large a one")
	}
	code, success, datapoints := text(v.Get("Code")), text(v.Get("Success")), v.Get("Datapoints")
	switch {
	case code == "" && success == "" && datapoints == nil:
		return Page{}, malformed("reply is not from CloudMonitor: it has none of Success, Code and Datapoints")
	case code != "" && code != "200", success != "" && !strings.EqualFold(success, "true"):
		return Page{}, serviceError(r.status, r.header, body)
	}
	elements, ok := d.elements(datapoints)
	if !ok {
		return Page{}, malformed("Datapoints is not a JSON array, or too long a one")
	}
	page := Page{NextToken: text(v.Get("NextToken")), Points: make([]lag.Point, 0, len(elements))}
	for _, e := range elements {
		if p, ok := d.point(e.GetObject(), perTopic); ok {
			page.Points = append(page.Points, p)
		} else {
			page.Malformed++
		}
	}
	return page, nil
}

// elements returns the array that datapoints is or, as a string, holds. Nothing at all is an empty array.
func (d *decoder) elements(datapoints *fastjson.Value) ([]*fastjson.Value, bool) {
	if datapoints == nil {
		return nil, true
	}
	switch datapoints.Type() {
	case fastjson.TypeNull:
		return nil, true
	case fastjson.TypeArray:
		return datapoints.GetArray(), true
	case fastjson.TypeString:
		inner := bytes.TrimSpace(datapoints.GetStringBytes())
		if len(inner) == 0 {
			return nil, true
		}
		v, ok := parse(&d.points, inner)
		if !ok {
			return nil, false
		}
		return v.GetArray(), v.Type() == fastjson.TypeArray || v.Type() == fastjson.TypeNull
	default:
		return nil, false
	}
}

// point reads one element. Dimensions and statistics share one flat object.
func (d *decoder) point(o *fastjson.Object, perTopic bool) (lag.Point, bool) {
	if o == nil {
		return lag.Point{}, false
	}
	timestamp, ok := d.float(o.Get("timestamp"))
	if !ok || !(timestamp > 0 && timestamp <= maxTimestamp) {
		return lag.Point{}, false
	}
	value, ok := d.float(statistic(o))
	if !ok {
		return lag.Point{}, false
	}
	p := lag.Point{
		Timestamp: int64(timestamp),
		Account:   d.name(o.Get("userId")),
		Key:       lag.Key{Instance: d.name(o.Get("instanceId")), Group: d.name(o.Get("consumerGroup"))},
		Value:     value,
	}
	if perTopic {
		p.Topic = d.name(o.Get("topic"))
	}
	return p, p.Instance != "" && p.Group != "" && (p.Topic != "" || !perTopic)
}

// statistic returns Value when present, else Maximum, else Average: presence decides, not the number.
func statistic(o *fastjson.Object) *fastjson.Value {
	for _, key := range [...]string{"Value", "Maximum", "Average"} {
		if v := o.Get(key); v != nil && v.Type() != fastjson.TypeNull {
			return v
		}
	}
	return nil
}

// float reads a number, or a string that holds one. What is too large for a float64 is infinite, not an error.
// The parser's own conversion is not used: it is inexact for numbers with an exponent, such as 1.70000004E12.
func (d *decoder) float(v *fastjson.Value) (float64, bool) {
	if v == nil {
		return 0, false
	}
	switch v.Type() {
	case fastjson.TypeNumber:
		d.number = v.MarshalTo(d.number[:0])
	case fastjson.TypeString:
		d.number = append(d.number[:0], v.GetStringBytes()...)
	default:
		return 0, false
	}
	f, err := strconv.ParseFloat(string(d.number), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// name returns the text of v, allocated once a page and valid UTF-8, as telemetry attributes have to be.
func (d *decoder) name(v *fastjson.Value) string {
	b := v.GetStringBytes()
	if b == nil {
		b = []byte(text(v))
	}
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	raw := string(b)
	s := strings.ToValidUTF8(raw, "\uFFFD")
	d.names[raw] = s
	return s
}

// text returns a string as it is, a number or a boolean as it is written, and anything else as nothing.
func text(v *fastjson.Value) string {
	if v == nil {
		return ""
	}
	switch v.Type() {
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
		return v.String()
	default:
		return ""
	}
}

func parse(p *fastjson.Parser, b []byte) (*fastjson.Value, bool) {
	if bytes.Count(b, []byte(",")) > maxValues {
		return nil, false
	}
	v, err := p.ParseBytes(b)
	return v, err == nil
}
