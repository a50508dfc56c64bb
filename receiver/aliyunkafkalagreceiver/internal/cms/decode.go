package cms

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/valyala/fastjson"
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
	v, array, escaped := d.cut(body)
	if v == nil {
		v, array = d.whole(body)
	}
	if failure := refusal(v, body); failure != nil {
		return Page{}, failure
	}
	page := Page{NextToken: text(v.Get("NextToken"))}
	d.element.perTopic = perTopic
	ok := d.array(&page, array, escaped)
	if !ok && escaped {
		_, array = d.whole(body)
		ok = d.array(&page, array, false)
	}
	if !ok {
		return Page{}, malformed("Datapoints is not a JSON array, or too long a one")
	}
	return page, nil
}

// refusal returns what is wrong with a reply beside its Datapoints, or nil. v is nil for a body that does not parse.
func refusal(v *fastjson.Value, body []byte) *Error {
	if v == nil || v.Type() != fastjson.TypeObject {
		return malformed("reply is not a JSON object, or too large a one")
	}
	code, success := text(v.Get("Code")), text(v.Get("Success"))
	switch {
	case code == "" && success == "" && !v.Exists("Datapoints"):
		return malformed("reply is not from CloudMonitor: it has none of Success, Code and Datapoints")
	case code != "" && code != "200", success != "" && !strings.EqualFold(success, "true"):
		return serviceError(http.StatusOK, body)
	}
	return nil
}

var arrayStart = regexp.MustCompile(`"Datapoints"\s*:\s*("?)\[`)

// cut parses a reply without the array of Datapoints, which is most of it, and returns that as it is written. In a string
// the array ends with the first bracket before a quotation mark; else it is the only one, so it ends with the last bracket.
// cut returns nil if the rest does not parse.
func (d *decoder) cut(body []byte) (v *fastjson.Value, array []byte, escaped bool) {
	m := arrayStart.FindSubmatchIndex(body)
	if m == nil {
		return nil, nil, false
	}
	start, quote := m[2], m[3]-m[2] // with the quotation mark, if there is one
	array = body[start+quote:]
	size := bytes.LastIndexByte(array, ']') + 1
	if escaped = quote > 0; escaped {
		size = bytes.Index(array, []byte(`]"`)) + 1
	}
	if size == 0 {
		return nil, nil, false
	}
	v = parse(&d.reply, slices.Concat(body[:start], []byte(`"[]"`), array[size+quote:]))
	if text(v.Get("Datapoints")) != "[]" {
		return nil, nil, false
	}
	return v, array[:size], escaped
}

// whole parses a reply and returns it with its Datapoints. Nothing at all is an empty array.
func (d *decoder) whole(body []byte) (v *fastjson.Value, array []byte) {
	v = parse(&d.reply, body)
	switch datapoints := v.Get("Datapoints"); {
	case datapoints == nil:
	case datapoints.Type() == fastjson.TypeString:
		array = bytes.TrimSpace(datapoints.GetStringBytes())
	default:
		array = datapoints.MarshalTo(nil)
	}
	if len(array) == 0 || string(array) == "null" {
		array = []byte("[]")
	}
	return v, array
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
