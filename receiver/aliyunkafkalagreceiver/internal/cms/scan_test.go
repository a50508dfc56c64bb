package cms

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/valyala/fastjson"
)

// inString returns what is written inside of a JSON string.
func inString(s string) string {
	quoted, _ := json.Marshal(s)
	return string(quoted[1 : len(quoted)-1])
}

func TestScan(t *testing.T) {
	tests := map[string]struct {
		object string
		plain  bool
	}{
		"a point":            {object: pointJSON, plain: true},
		"one key":            {object: `{"Value":1}`, plain: true},
		"any number":         {object: `{"Value":-12.5E+3}`, plain: true},
		"no number":          {object: `{"Value":1-2}`, plain: true},
		"text beyond ASCII":  {object: `{"消费组":"消费组"}`, plain: true},
		"empty string":       {object: `{"a":""}`, plain: true},
		"up to the limit":    {object: `{"a":"` + strings.Repeat("x", maxPieceBytes-8) + `"}`, plain: true},
		"beyond the limit":   {object: `{"a":"` + strings.Repeat("x", maxPieceBytes-7) + `"}`},
		"empty":              {object: `{}`},
		"no object":          {object: `1`},
		"escaped":            {object: `{"a":"\\b"}`},
		"escaped quote":      {object: `{"a":"\""}`},
		"escaped key":        {object: `{"\u0056alue":1}`},
		"white space":        {object: `{ "a":1}`},
		"space before value": {object: `{"a": 1}`},
		"nested":             {object: `{"a":{"b":1}}`},
		"null":               {object: `{"a":null}`},
		"Infinity":           {object: `{"a":-Infinity}`},
		"NaN":                {object: `{"a":NaN}`},
		"no value":           {object: `{"a":}`},
		"no colon":           {object: `{"a",1}`},
		"no comma":           {object: `{"a":1"b":1}`},
		"nothing after":      {object: `{"a":1,}`},
		"bracket":            {object: `{"a":1]`},
		"ends in key":        {object: `{"a`},
		"ends after key":     {object: `{"a"`},
		"ends after colon":   {object: `{"a":`},
		"ends in number":     {object: `{"a":1`},
		"ends after string":  {object: `{"a":"b"`},
		"ends after brace":   {object: `{`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := newElement(&names{})
			size := 0
			if tt.plain {
				size = len(tt.object)
			}
			assert.Equal(t, size, e.scan([]byte(tt.object+","), false))
			if escaped := inString(tt.object); len(escaped) <= maxPieceBytes {
				if tt.plain {
					size = len(escaped)
				}
				assert.Equal(t, size, e.scan([]byte(escaped+","), true))
			}
		})
	}
	e := newElement(&names{})
	assert.Zero(t, e.scan([]byte(inString(`{"a":"b"}`)), false), "a string in a string")
	assert.Zero(t, e.scan([]byte(`{"a":"b"}`), true), "quotes that end the string")
	assert.Zero(t, e.scan([]byte(`{\"a\":\"b","x":"y\"}`), true), "quotes that end the string inside of a name")
}

// FuzzScan compares with the parser: what is scanned is what is parsed, inside of a string and outside.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		pointJSON, `{"timestamp":1.7E12,"instanceId":"i","consumerGroup":7,"Average":-1e999,"Maximum":"2","Value":3}`, `{"Value":1,"Value":1-2}`,
		`{"Value":"\\"}`, `{"timestamp":"1","instanceId":"消","consumerGroup":"` + "\xff" + `","topic":"","Value":007}`, `{"a":1,}`, `{"a":--}`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, object string, perTopic bool) {
		if object == "" {
			return
		}
		e := newElement(&names{})
		e.perTopic = perTopic
		scan := func(text string, escaped bool) (size int, p any, ok bool) {
			size = e.scan([]byte(text), escaped)
			if math.IsNaN(e.point.Value) {
				e.point.Value = 0
			}
			p, ok = e.result()
			return size, p, ok
		}
		size, scanned, ok := scan(object, false)
		if size == 0 {
			return
		}
		v, err := fastjson.Parse(object[:size])
		if err != nil {
			t.Fatalf("%q is scanned, but: %v", object[:size], err)
		}
		e.parse(v)
		if math.IsNaN(e.point.Value) {
			e.point.Value = 0
		}
		if parsed, valid := e.result(); scanned != parsed || ok != valid {
			t.Fatalf("%q is scanned as %+v %v, but parsed as %+v %v", object[:size], scanned, ok, parsed, valid)
		}
		escaped := strings.ReplaceAll(object[:size], `"`, `\"`)
		if len(escaped) <= maxPieceBytes {
			if n, same, valid := scan(escaped, true); n != len(escaped) || same != scanned || valid != ok {
				t.Fatalf("%q is scanned as %+v %v, but in a string as %+v %v", object[:size], scanned, ok, same, valid)
			}
		}
	})
}

// FuzzCut compares with a reply that is parsed as a whole.
func FuzzCut(f *testing.F) {
	array := "[" + pointJSON + "," + pointJSON + "]"
	for _, seed := range []string{
		onePoint, asString(array), inArray(pointJSON), asString("[" + pointJSON + ",null]"), asString(array + " "), `{"Code":"200","Datapoints":"[]\t","x":"]"}`,
		`{"Data":{"Datapoints":"[` + inString(pointJSON) + `]"}}`, `{"Datapoints":"[","x":"]"}`, `{"Datapoints":[` + pointJSON + `],"NextToken":"]"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDecoder(&names{})
		v, array := d.whole(body)
		if v == nil || v.Type() != fastjson.TypeObject || strings.Count(string(body), `Datapoints`) > 1 {
			return
		}
		var want Page
		ok := refusal(v, body) == nil && d.array(&want, array, false)
		token := text(v.Get("NextToken"))
		page, failure := d.decode(body, false)
		if ok != (failure == nil) {
			t.Fatalf("%q: parsed as a whole: %v, else: %v", body, ok, failure)
		}
		if ok && (len(page.Points) != len(want.Points) || page.Malformed != want.Malformed || page.NextToken != token) {
			t.Fatalf("%q: %+v, but parsed as a whole %+v", body, page, want)
		}
	})
}
