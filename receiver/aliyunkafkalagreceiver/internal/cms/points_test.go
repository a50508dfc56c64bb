package cms

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// point returns a point of the group with a value as it is written.
func point(group, value string) string {
	return `{"timestamp":1700000040000,"userId":"123","instanceId":"i","consumerGroup":"` + group + `","Value":` + value + `}`
}

// inArray is a reply whose Datapoints are a real array.
func inArray(elements string) string {
	return `{"Success":true,"Code":"200","Datapoints": [` + elements + `],"NextToken":"next"}`
}

func TestBadElementCostsNoOther(t *testing.T) {
	tests := map[string]struct {
		element   string
		values    []float64 // of the element, if it can be read
		malformed int
	}{
		"Infinity":                 {element: point("x", "Infinity"), values: []float64{math.Inf(1)}},
		"negative Infinity":        {element: point("x", " -Infinity"), values: []float64{math.Inf(-1)}},
		"NaN":                      {element: point("x", "NaN"), values: []float64{math.NaN()}},
		"NaN and Infinity":         {element: point("x", "NaN") + "," + point("y", "Infinity"), values: []float64{math.NaN(), math.Inf(1)}},
		"Infinity after a bracket": {element: point("]x]", "Infinity"), values: []float64{math.Inf(1)}},
		"name with braces":         {element: point(`x{},{\"`, "Infinity"), values: []float64{math.Inf(1)}},
		"nested":                   {element: `{"zone":{"a":[1]},` + point("x", "Infinity")[1:], values: []float64{math.Inf(1)}},
		"a word":                   {element: point("x", "many"), malformed: 1},
		"no value":                 {element: point("x", ""), malformed: 1},
		"no closing brace":         {element: strings.TrimSuffix(point("x", "1"), "}"), malformed: 1},
		"no closing quote":         {element: strings.Replace(point("x", "1"), `x"`, `x`, 1), malformed: 1},
		"two opening braces":       {element: "{" + point("x", "1"), malformed: 1, values: []float64{1}},
		"only a brace":             {element: "{", malformed: 1},
		"only a quote":             {element: `"`, malformed: 1},
		"bare Infinity":            {element: "Infinity", malformed: 1},
		"colon without a value":    {element: `{"x":`, malformed: 1},
		"nested and bad":           {element: `{"zone":{"a":1},"Value":many}`, malformed: 1},
		"no comma":                 {element: point("x", "1") + point("y", "1"), values: []float64{1, 1}},
		"no element":               {element: ""},
	}
	for name, tt := range tests {
		for form, body := range map[string]func(string) string{
			"string": func(e string) string { return asString("[" + e + "]") },
			"array":  inArray,
		} {
			t.Run(name+" in "+form, func(t *testing.T) {
				reply := body(point("first", "1") + " , " + tt.element + "," + point("last", "2"))
				page, failure := newDecoder(&names{}).decode([]byte(reply), false)
				require.Nil(t, failure)
				assert.Equal(t, tt.malformed, page.Malformed)
				require.Len(t, page.Points, 2+len(tt.values))
				assert.Equal(t, "first", page.Points[0].Group)
				assert.Equal(t, "last", page.Points[len(page.Points)-1].Group)
				for i, want := range tt.values {
					got := page.Points[1+i].Value
					assert.True(t, got == want || math.IsNaN(got) && math.IsNaN(want), got)
				}
				if form == "array" {
					assert.Equal(t, "next", page.NextToken)
				}
			})
		}
	}
}

func TestArrayThatCannotBeCut(t *testing.T) {
	tests := map[string]string{
		"cut off":             `{"Code":"200","Datapoints":[` + point("g", "1") + `,` + point("g", "Inf"),
		"bracket in token":    `{"Code":"200","Datapoints":[` + point("g", "Infinity") + `],"NextToken":"]"}`,
		"bad rest":            `{"Code":Infinity,"Datapoints":[` + point("g", "1") + `]}`,
		"bracket before":      `{"RequestId":"]","Datapoints":[{`,
		"too many pieces":     inArray(strings.Repeat("x,", maxPieces+1)),
		"string, cut off":     asString(`[` + point("g", "Infinity") + `,{"time`),
		"string, no opening":  asString(point("g", "Infinity") + `]`),
		"endless braces":      inArray(strings.Repeat("{", 4<<20)),
		"endless open quotes": inArray(strings.Repeat(`{"a`, 1<<20)),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			page, failure := newDecoder(&names{}).decode([]byte(body), false)
			require.NotNil(t, failure, page)
			assert.Equal(t, alicloud.KindMalformedReply, failure.Kind)
			assert.Empty(t, page.Points)
		})
	}
}

// FuzzBadElement puts anything between two good elements: it must not cost either.
func FuzzBadElement(f *testing.F) {
	for _, seed := range []string{point("x", "Infinity"), `{"a":"`, `{{`, `{"x":`, `]`, `"`, `\`, `null`, `{"Value":{"a":[{`, "{\"a\":\"\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, element string) {
		if len(element) > 1000 {
			return
		}
		elements := point("first", "1") + "," + element + "," + point("last", "2")
		for _, body := range []string{asString("[" + elements + "]"), inArray(elements)} {
			page, failure := newDecoder(&names{}).decode([]byte(body), false)
			if failure != nil {
				t.Fatal(failure, body)
			}
			groups := map[string]bool{}
			for _, p := range page.Points {
				groups[p.Group] = true
			}
			if !groups["first"] || !groups["last"] {
				t.Fatalf("a good element is missing in %+v of %s", page, body)
			}
		}
	})
}

func TestNames(t *testing.T) {
	var n names
	get := func(s string) *byte { return unsafe.StringData(n.get([]byte(s))) }
	first := get("name a")
	assert.Equal(t, first, get("name a"), "a name is allocated once")

	for range 10 * renewAfter * PageLength { // the name stays while it is used
		require.Equal(t, first, get("name a"))
		get("b")
	}
	get("c")
	assert.NotContains(t, n.new, "name a", "the table was not renewed")
	assert.Same(t, first, get("name a"), "the new table does not take over the name")

	for i := range 3 * renewAfter * PageLength { // names that are not used any more are forgotten
		n.get([]byte("b"))
		if i%1000 == 0 {
			n.get(strconv.AppendInt(nil, int64(i), 10))
		}
	}
	assert.NotContains(t, n.new, "name a")
	assert.NotContains(t, n.old, "name a")

	long := strings.Repeat("l", maxNameBytes+1)
	assert.Equal(t, long, n.get([]byte(long)))
	assert.NotContains(t, n.new, long)
}

func TestNamesAreBounded(t *testing.T) {
	var n names
	b := make([]byte, 4)
	for i := range 3 * maxNames {
		b[0], b[1], b[2], b[3] = byte(i), byte(i>>8), byte(i>>16), 1
		n.get(b)
	}
	assert.LessOrEqual(t, len(n.new), maxNames)
	assert.LessOrEqual(t, len(n.old), maxNames)
}

func TestDecoderDoesNotAllocatePerPoint(t *testing.T) {
	page := []byte(asString("[" + strings.Repeat(point("g", "1")+",", PageLength-1) + point("h", "2.5") + "]"))
	d := newDecoder(&names{})
	decode := func() {
		p, failure := d.decode(page, false)
		if failure != nil || len(p.Points) != PageLength {
			t.Fatal(failure, len(p.Points))
		}
	}
	decode()
	assert.Less(t, testing.AllocsPerRun(5, decode), 20.0)
	assert.Equal(t, lag.Key{Instance: "i", Group: "g"}, func() lag.Key { p, _ := d.decode(page, false); return p.Points[0].Key }())
}
