package cms

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// maxValues bounds the memory of parsing, which grows with the number of JSON values: a full page has about 10,000,
// 2 MiB of points about 90,000.
const maxValues = 1 << 18

// decoder turns replies into pages. What it parses is valid until the next reply, so every string is copied.
type decoder struct {
	reply, points fastjson.Parser
	element       *element
}

func newDecoder(n *names) *decoder { return &decoder{element: newElement(n)} }

// decode is as tolerant as the documented variants of the reply demand: CloudMonitor's own pages show Success as a boolean
// and as a string, Code as a string and as a number, Datapoints as an array and as a string that holds one, and a
// Message in replies of success.
func (d *decoder) decode(body []byte, perTopic bool) (Page, *Error) {
	if len(body) > maxKeptBytes {
		defer func() { d.reply, d.points = fastjson.Parser{}, fastjson.Parser{} }()
	}
	v, array := d.outer(body)
	if v == nil || v.Type() != fastjson.TypeObject {
		return Page{}, malformed("reply is not a JSON object, or too large a one")
	}
	code, success, datapoints := text(v.Get("Code")), text(v.Get("Success")), v.Get("Datapoints")
	switch {
	case code == "" && success == "" && datapoints == nil:
		return Page{}, malformed("reply is not from CloudMonitor: it has none of Success, Code and Datapoints")
	case code != "" && code != "200", success != "" && !strings.EqualFold(success, "true"):
		return Page{}, serviceError(http.StatusOK, body)
	}
	page, ok := Page{NextToken: text(v.Get("NextToken"))}, false
	d.element.perTopic = perTopic
	d.element.names.mu.Lock()
	defer d.element.names.mu.Unlock()
	if array != nil {
		ok = d.pieces(&page, array)
	} else {
		ok = d.datapoints(&page, datapoints)
	}
	if !ok {
		return Page{}, malformed("Datapoints is not a JSON array, or too long a one")
	}
	return page, nil
}

// outer parses the reply. If only the array of Datapoints does not parse, it is emptied and returned beside the rest.
func (d *decoder) outer(body []byte) (v *fastjson.Value, array []byte) {
	if v = parse(&d.reply, body); v != nil {
		return v, nil
	}
	rest, array := cutArray(body)
	if array == nil {
		return nil, nil
	}
	return parse(&d.reply, rest), array
}

// datapoints reads the points of the array that v is or, as a string, holds. Nothing at all is an empty array.
func (d *decoder) datapoints(page *Page, v *fastjson.Value) bool {
	if v == nil {
		return true
	}
	if v.Type() == fastjson.TypeString {
		inner := bytes.TrimSpace(v.GetStringBytes())
		if len(inner) == 0 {
			return true
		}
		if v = parse(&d.points, inner); v == nil {
			return d.pieces(page, inner)
		}
	}
	elements := v.GetArray()
	page.Points = make([]lag.Point, 0, len(elements))
	for _, e := range elements {
		d.add(page, e)
	}
	return v.Type() == fastjson.TypeArray || v.Type() == fastjson.TypeNull
}

// add appends the point that v describes, or counts it as malformed.
func (d *decoder) add(page *Page, v *fastjson.Value) {
	if p, ok := d.element.read(v); ok {
		page.Points = append(page.Points, p)
	} else {
		page.Malformed++
	}
}

// text returns a string as it is, a number or a boolean as it is written, and "" for anything else.
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

// parse returns nil if b is not JSON, or too much of it.
func parse(p *fastjson.Parser, b []byte) *fastjson.Value {
	if bytes.Count(b, []byte(",")) > maxValues {
		return nil
	}
	v, err := p.ParseBytes(b)
	if err != nil {
		return nil
	}
	return v
}
