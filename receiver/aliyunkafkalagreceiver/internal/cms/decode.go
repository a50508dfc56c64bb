package cms

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
)

// replyBody is the body of every reply. CloudMonitor's own pages show Datapoints as an array and as a string that holds one.
type replyBody struct {
	alicloud.Envelope
	NextToken  alicloud.LooseString
	Datapoints json.RawMessage
}

// decode returns the page in the body of a reply with HTTP status 200. The page does not refer to the body.
func (d *decoder) decode(body []byte, perTopic bool) (Page, *alicloud.Error) {
	r, array, escaped := splitBody(body)
	if r == nil {
		r, array = parseWhole(body)
	}
	switch {
	case r == nil:
		return Page{}, alicloud.Malformed("reply is not a JSON object")
	case r.Code == "" && r.Success == "" && r.Datapoints == nil:
		return Page{}, alicloud.Malformed("reply is not from CloudMonitor: it has none of Success, Code and Datapoints")
	case r.Failed():
		return Page{}, alicloud.ServiceError(http.StatusOK, body)
	}
	page := Page{NextToken: string(r.NextToken)}
	d.perTopic = perTopic
	ok := d.array(&page, array, escaped)
	if !ok && escaped {
		if array = unescape(array); array == nil {
			_, array = parseWhole(body)
		}
		ok = d.array(&page, array, false)
	}
	if !ok {
		return Page{}, alicloud.Malformed("Datapoints is not a JSON array, or has too many bad elements")
	}
	return page, nil
}

// splitBody returns a reply without the array of Datapoints, which is most of it, and that as it is written. In a string,
// the array ends with the first bracket before a quotation mark; else, where a bad number keeps the reply from parsing,
// with the last bracket. splitBody returns nil for a reply to be parsed as a whole.
func splitBody(body []byte) (r *replyBody, array []byte, escaped bool) {
	_, value, _ := bytes.Cut(body, []byte(`"Datapoints"`))
	value = bytes.TrimLeft(value, ": \t\r\n")
	array, escaped = bytes.CutPrefix(value, []byte(`"`))
	size := bytes.LastIndexByte(array, ']') + 1
	after := array[size:]
	if escaped {
		size = bytes.Index(array, []byte(`]"`)) + 1
		after = array[min(size+1, len(array)):]
	}
	rest := slices.Concat(body[:len(body)-len(value)], []byte("[]"), after)
	if size == 0 || !escaped && json.Valid(body) || json.Unmarshal(rest, &r) != nil || string(r.Datapoints) != "[]" {
		return nil, nil, false
	}
	return r, array[:size], escaped
}

// unescape returns what is written inside of a string, or nil if it has other backslashes than those of quotation marks.
func unescape(b []byte) []byte {
	n := bytes.Count(b, []byte(`\"`))
	if n != bytes.Count(b, []byte(`\`)) || n != bytes.Count(b, []byte(`"`)) {
		return nil
	}
	return bytes.ReplaceAll(b, []byte(`\"`), []byte(`"`))
}

// parseWhole returns a reply and its Datapoints. Nothing at all is an empty array.
func parseWhole(body []byte) (r *replyBody, array []byte) {
	if json.Unmarshal(body, &r) != nil || r == nil {
		return nil, nil
	}
	array = r.Datapoints
	var s string
	if json.Unmarshal(array, &s) == nil {
		array = bytes.TrimSpace([]byte(s))
	}
	if len(array) == 0 || string(array) == "null" {
		array = []byte("[]")
	}
	return r, array
}
