package cms

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/valyala/fastjson"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// inString returns what is written inside of a JSON string.
func inString(s string) string {
	quoted, _ := json.Marshal(s)
	return string(quoted[1 : len(quoted)-1])
}

func TestObject(t *testing.T) {
	const yes, no = true, false
	tests := map[string]struct {
		object        string
		read, escaped bool // whether it is read, and inside of a string
	}{
		"a point":              {pointJSON, yes, yes},
		"one key":              {`{"Value":1}`, yes, yes},
		"any number":           {`{"Value":-12.5E+3}`, yes, yes},
		"numbers without JSON": {`{"a":-Infinity,"b":NaN}`, yes, yes},
		"words":                {`{"a":null,"b":true,"c":false}`, yes, yes},
		"text beyond ASCII":    {`{"消费组":"消费组"}`, yes, yes},
		"empty string":         {`{"a":""}`, yes, yes},
		"spaces":               {`{ "a" : 1 , "b" : "c" }`, yes, yes},
		"line breaks":          {"{\n\"a\":1}", yes, no},
		"escaped":              {`{"a":"\\b"}`, yes, no},
		"escaped quote":        {`{"a":"\""}`, yes, no},
		"escaped key":          {`{"\u0056alue":1}`, yes, no},
		"nested":               {`{"a":{"b":1}}`, yes, no},
		"nested array":         {`{"a":[1,2]}`, yes, yes},
		"empty":                {`{}`, no, no},
		"no object":            {`1`, no, no},
		"no number":            {`{"Value":1-2}`, no, no},
		"a sign":               {`{"Value":-}`, no, no},
		"no word":              {`{"a":many}`, no, no},
		"no value":             {`{"a":}`, no, no},
		"no key":               {`{1:1}`, no, no},
		"no colon":             {`{"a",1}`, no, no},
		"no comma":             {`{"a":1"b":1}`, no, no},
		"no comma after text":  {`{"a":"c""b":1}`, no, no},
		"another brace":        {`{"a":"c"{"b":1}`, no, no},
		"nothing after":        {`{"a":1,}`, no, no},
		"bracket":              {`{"a":1]`, no, no},
		"bad nested":           {`{"a":{"b"}}`, no, no},
		"ends in key":          {`{"a`, no, no},
		"ends after key":       {`{"a"`, no, no},
		"ends after colon":     {`{"a":`, no, no},
		"ends in number":       {`{"a":1`, no, no},
		"ends after string":    {`{"a":"b"`, no, no},
		"ends after brace":     {`{`, no, no},
		"nothing":              {``, no, no},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			size := func(read bool, s string) int {
				if read {
					return len(s)
				}
				return 0
			}
			d := newDecoder(&names{})
			assert.Equal(t, size(tt.read, tt.object), d.object([]byte(tt.object), false))
			assert.Equal(t, size(tt.read, tt.object), d.object([]byte(tt.object+`,{"c":"`), false))
			inside := inString(tt.object)
			assert.Equal(t, size(tt.escaped, inside), d.object([]byte(inside), true))
		})
	}
	d := newDecoder(&names{})
	assert.Zero(t, d.object([]byte(inString(`{"a":"b"}`)), false), "a string in a string")
	assert.Zero(t, d.object([]byte(`{"a":"b"}`), true), "quotes that end the string")
	for _, s := range []string{`{\"a\":\"b","x":"y\"}`, `{\"ab":1}`, `{x"a\":1}`} {
		assert.Zero(t, d.object([]byte(s), true), "quotes that end the string inside of it")
	}
}

func TestLongElements(t *testing.T) {
	for name, want := range map[string]int{strings.Repeat("x", maxPieceBytes/2): 3, strings.Repeat("x", maxPieceBytes): 2} {
		page, failure := newDecoder(&names{}).decode([]byte(asString("["+point("a", "1")+","+point(name, "1")+","+point("b", "1")+"]")), false)
		assert.Nil(t, failure)
		assert.Len(t, page.Points, want)
	}
}

func TestFloat(t *testing.T) {
	for _, s := range []string{"0", "7", "007", "999999999999999999", "9007199254740993", "1234567890123456789", "99999999999999999999", "-1", "1.5", "1e3"} {
		want, err := strconv.ParseFloat(s, 64)
		got, ok := float([]byte(s))
		assert.Equal(t, err == nil, ok)
		assert.InDelta(t, want, got, 0, s)
	}
	for _, s := range []string{"", "x", "1x", "-"} {
		_, ok := float([]byte(s))
		assert.False(t, ok, s)
	}
}

// FuzzObject compares with a parser: objects that are JSON are read alike, inside of a string and outside.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		pointJSON, `{"timestamp":1.7E12,"instanceId":"i","consumerGroup":7,"Average":-1e999,"Maximum":"2","Value":3}`, `{"Value":1,"Value":"many"}`,
		`{"Value":"\\"}`, `{"timestamp":"1","instanceId":"消","consumerGroup":"x\"","topic":"","Value":700}`, `{"a":1,}`, `{"a":{"b":[1]},"Value":null}`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, object string, perTopic bool) {
		if !json.Valid([]byte(object)) || len(object) > maxPieceBytes/2 || strings.Contains(object, `\u`) {
			return
		}
		v := fastjson.MustParse(object)
		fields, err := v.Object()
		if err != nil || fields.Len() == 0 {
			return
		}
		parsed := newDecoder(&names{})
		parsed.perTopic = perTopic
		fields.Visit(func(key []byte, v *fastjson.Value) {
			switch v.Type() {
			case fastjson.TypeNull:
			case fastjson.TypeNumber:
				parsed.set(key, v.MarshalTo(nil))
			default:
				parsed.set(key, []byte(strings.ToValidUTF8(string(v.GetStringBytes()), "\uFFFD")))
			}
		})
		type result struct {
			point lag.Point
			valid bool
		}
		for escaped, text := range map[bool]string{false: object, true: strings.ReplaceAll(object, `"`, `\"`)} {
			d := newDecoder(&names{})
			d.perTopic = perTopic
			if size := d.object([]byte(text), escaped); size == 0 && escaped {
				continue
			} else if size != len(strings.TrimRight(text, " \t\r\n")) {
				t.Fatalf("%d bytes of %q are read", size, text)
			}
			if got, want := (result{d.point, d.valid}), (result{parsed.point, parsed.valid}); got != want {
				t.Fatalf("%q is read as %+v, but parsed as %+v", text, got, want)
			}
		}
	})
}

// FuzzCut compares with a reply that is parsed as a whole.
func FuzzCut(f *testing.F) {
	array := "[" + pointJSON + "," + pointJSON + "]"
	for _, seed := range []string{
		onePoint, asString(array), inArray(pointJSON), asString("[" + pointJSON + ",null]"), asString(array + " "), `{"Code":"200","Datapoints":"[]\t","x":"]"}`,
		`{"Data":{"Datapoints":"[` + inString(pointJSON) + `]"}}`, `{"Datapoints":"[","x":"]"}`, `{"Datapoints":[],"x":[1]}`, `{"Datapoints":null,"x":["]"]}`,
		`{"Datapoints":[` + pointJSON + `],"NextToken":"]"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDecoder(&names{})
		r, array := parseWhole(body)
		if r == nil || strings.Count(strings.ToLower(string(body)), `datapoints`) > 1 {
			return
		}
		var want Page
		ok := d.array(&want, array, false)
		page, failure := d.decode(body, false)
		if failure != nil && failure.Message != "Datapoints is not a JSON array, or has too many bad elements" {
			return // whatever the Datapoints are
		}
		if ok != (failure == nil) {
			t.Fatalf("%q: parsed as a whole: %v, else: %v", body, ok, failure)
		}
		if ok && (len(page.Points) != len(want.Points) || page.Malformed != want.Malformed || page.NextToken != string(r.NextToken)) {
			t.Fatalf("%q: %+v, but parsed as a whole %+v", body, page, want)
		}
	})
}
