package cms

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// asString wraps an array of points as CMS does: JSON in a JSON string.
func asString(array string) string {
	inner, _ := json.Marshal(array)
	return fmt.Sprintf(`{"Success":true,"Code":"200","Datapoints":%s}`, inner)
}

const pointJSON = `{"timestamp":1700000040000,"userId":"123","instanceId":"i","consumerGroup":"g","topic":"t","Value":42}`

var groupPoint = lag.Point{Key: lag.Key{Instance: "i", Group: "g"}, Account: "123", Timestamp: 1_700_000_040_000, Value: 42}

func TestDecodeReply(t *testing.T) {
	one := []lag.Point{groupPoint}
	array := "[" + pointJSON + "]"
	tests := map[string]struct {
		body      string
		points    []lag.Point
		nextToken string
	}{
		"string of an array":     {body: asString(array), points: one},
		"array":                  {body: `{"Success":true,"Code":"200","Datapoints":` + array + `}`, points: one},
		"success as a string":    {body: `{"Success":"true","Code":"200","Datapoints":` + array + `}`, points: one},
		"code as a number":       {body: `{"Success":true,"Code":200,"Datapoints":` + array + `}`, points: one},
		"no success":             {body: `{"Code":"200","Datapoints":` + array + `}`, points: one},
		"no code":                {body: `{"Success":true,"Datapoints":` + array + `}`, points: one},
		"only datapoints":        {body: `{"Datapoints":` + array + `}`, points: one},
		"null code and success":  {body: `{"Success":null,"Code":null,"Datapoints":` + array + `}`, points: one},
		"message of an error":    {body: `{"Success":true,"Code":"200","Message":"The specified resource is not found.","Datapoints":` + array + `}`, points: one},
		"token":                  {body: `{"Code":"200","NextToken":"abc","Datapoints":` + array + `}`, points: one, nextToken: "abc"},
		"null token":             {body: `{"Code":"200","NextToken":null,"Datapoints":` + array + `}`, points: one},
		"empty token":            {body: `{"Code":"200","NextToken":"","Datapoints":` + array + `}`, points: one},
		"space around the array": {body: asString(" \n" + array + "\t"), points: one},
		"empty array":            {body: `{"Code":"200","Datapoints":[]}`},
		"string of empty array":  {body: `{"Code":"200","Datapoints":"[]"}`},
		"string of null":         {body: `{"Code":"200","Datapoints":"null"}`},
		"empty string":           {body: `{"Code":"200","Datapoints":""}`},
		"blank string":           {body: `{"Code":"200","Datapoints":" "}`},
		"null":                   {body: `{"Code":"200","Datapoints":null}`},
		"no datapoints":          {body: `{"Code":"200"}`},
		"another array":          {body: `{"Code":"200","Datapoints":` + array + `,"Data":[1]}`, points: one},
		"null, another array":    {body: `{"Code":"200","Datapoints":null,"Data":[1]}`},
		"text, another array":    {body: `{"Code":"200","Datapoints":" ","Data":["[]"]}`},
		"of something else":      {body: `{"Code":"200","Data":` + asString(array) + `}`},
	}
	d := newDecoder(&names{}) // shared, as those of a client are
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			page, failure := d.decode([]byte(tt.body), false)
			require.Nil(t, failure)
			assert.ElementsMatch(t, tt.points, page.Points)
			assert.Zero(t, page.Malformed)
			assert.Equal(t, tt.nextToken, page.NextToken)
		})
	}
}

func TestDecodeMalformedReply(t *testing.T) {
	tests := map[string]string{
		"empty":               ``,
		"HTML":                `<html><body>502</body></html>`,
		"array":               `[]`,
		"string":              `"200"`,
		"cut off":             `{"Code":"200","Datapoints":"[{\"times`,
		"something else":      `{"status":"ok"}`,
		"datapoints a number": `{"Code":"200","Datapoints":1}`,
		"datapoints a bool":   `{"Code":"200","Datapoints":true}`,
		"datapoints object":   `{"Code":"200","Datapoints":{}}`,
		"string of an object": `{"Code":"200","Datapoints":"{}"}`,
		"string cut off":      `{"Code":"200","Datapoints":"[{\"timestamp\":1"}`,
		"string of text":      `{"Code":"200","Datapoints":"none"}`,
		"far too deep":        strings.Repeat("[", 1000),
		"far too many values": `{"Code":"200","Datapoints":[` + strings.Repeat("0,", 1<<18) + `0]}`,
	}
	d := newDecoder(&names{})
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			_, failure := d.decode([]byte(body), false)
			require.NotNil(t, failure)
			assert.Equal(t, alicloud.KindMalformedReply, failure.Kind)
			assert.Equal(t, http.StatusOK, failure.Status)
			assert.True(t, failure.Retryable())
		})
	}
}

func TestDecodePoint(t *testing.T) {
	const dimensions = `"userId":"123","instanceId":"i","consumerGroup":"g"`
	with := func(statistics string) string {
		return `{"timestamp":1700000040000,` + dimensions + `,` + statistics + `}`
	}
	at := func(timestamp string) string { return `{"timestamp":` + timestamp + `,` + dimensions + `,"Value":42}` }
	tests := map[string]struct {
		point string
		want  float64
	}{
		"value":                          {point: with(`"Value":7`), want: 7},
		"zero is a value":                {point: with(`"Value":0,"Maximum":5,"Average":3`), want: 0},
		"value before the others":        {point: with(`"Minimum":1,"Average":3,"Maximum":5,"Value":7`), want: 7},
		"maximum":                        {point: with(`"Minimum":1,"Average":3,"Maximum":5`), want: 5},
		"maximum when value is null":     {point: with(`"Value":null,"Maximum":5`), want: 5},
		"average":                        {point: with(`"Minimum":1,"Average":3`), want: 3},
		"fraction":                       {point: with(`"Value":2.5`), want: 2.5},
		"negative":                       {point: with(`"Value":-1`), want: -1},
		"exponent":                       {point: with(`"Value":1.234567E7`), want: 12_345_670},
		"string":                         {point: with(`"Value":"42"`), want: 42},
		"NaN":                            {point: with(`"Value":NaN`), want: math.NaN()},
		"NaN in a string":                {point: with(`"Value":"NaN"`), want: math.NaN()},
		"overflow":                       {point: with(`"Value":1e999`), want: math.Inf(1)},
		"negative overflow":              {point: with(`"Value":-1e999`), want: math.Inf(-1)},
		"Infinity in a string":           {point: with(`"Value":"Infinity"`), want: math.Inf(1)},
		"timestamp as a string":          {point: at(`"1700000040000"`), want: 42},
		"timestamp as a float":           {point: at(`1700000040000.0`), want: 42},
		"timestamp with an exponent":     {point: at(`1.70000004E12`), want: 42},
		"keys written with escapes":      {point: strings.Replace(at("1700000040000"), `"Value"`, `"\u0056alue"`, 1), want: 42},
		"user as a number":               {point: strings.Replace(at("1700000040000"), `"123"`, `123`, 1), want: 42},
		"dimensions nobody knows, ahead": {point: `{"zone":{"a":[1]},` + at("1700000040000")[1:], want: 42},
	}
	d := newDecoder(&names{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			page, failure := d.decode([]byte(asString("["+tt.point+"]")), false)
			require.Nil(t, failure)
			require.Len(t, page.Points, 1)
			got := page.Points[0]
			assert.True(t, got.Value == tt.want || math.IsNaN(got.Value) && math.IsNaN(tt.want), got.Value)
			got.Value = 42
			assert.Equal(t, groupPoint, got)
		})
	}
}

func TestDecodeMalformedPoint(t *testing.T) {
	without := func(old string) string { return strings.Replace(pointJSON, old, "", 1) }
	replaced := func(old, by string) string { return strings.Replace(pointJSON, old, by, 1) }
	tests := map[string]struct {
		point    string
		perTopic bool
	}{
		"null":                     {point: `null`},
		"number":                   {point: `1`},
		"string":                   {point: `"x"`},
		"array":                    {point: `[]`},
		"empty":                    {point: `{}`},
		"no timestamp":             {point: without(`"timestamp":1700000040000,`)},
		"null timestamp":           {point: replaced(`1700000040000`, `null`)},
		"zero timestamp":           {point: replaced(`1700000040000`, `0`)},
		"negative timestamp":       {point: replaced(`1700000040000`, `-1`)},
		"timestamp of nanoseconds": {point: replaced(`1700000040000`, `1700000040000000000`)},
		"infinite timestamp":       {point: replaced(`1700000040000`, `1e999`)},
		"NaN timestamp":            {point: replaced(`1700000040000`, `NaN`)},
		"timestamp as text":        {point: replaced(`1700000040000`, `"2023-11-14 22:14:00"`)},
		"no instance":              {point: without(`"instanceId":"i",`)},
		"empty instance":           {point: replaced(`"i"`, `""`)},
		"no group":                 {point: without(`"consumerGroup":"g",`)},
		"null group":               {point: replaced(`"g"`, `null`)},
		"group is an object":       {point: replaced(`"g"`, `{}`)},
		"no statistic":             {point: without(`,"Value":42`)},
		"null statistic":           {point: replaced(`42`, `null`)},
		"statistic as text":        {point: replaced(`42`, `"many"`)},
		"empty statistic":          {point: replaced(`42`, `""`)},
		"statistic is an object":   {point: replaced(`42`, `{}`)},
		"bad value, good maximum":  {point: replaced(`42`, `"many","Maximum":5`)},
		"no number":                {point: replaced(`42`, `1-2`)},
		"no topic":                 {point: without(`"topic":"t",`), perTopic: true},
	}
	d := newDecoder(&names{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			page, failure := d.decode([]byte(asString("["+pointJSON+","+tt.point+","+pointJSON+"]")), tt.perTopic)
			require.Nil(t, failure)
			assert.Equal(t, 1, page.Malformed)
			assert.Len(t, page.Points, 2)
		})
	}
}

func TestDecodeTopic(t *testing.T) {
	d := newDecoder(&names{})
	page, failure := d.decode([]byte(asString("["+pointJSON+"]")), true)
	require.Nil(t, failure)
	want := groupPoint
	want.Topic = "t"
	assert.Equal(t, []lag.Point{want}, page.Points)
}

func TestDecodedNames(t *testing.T) {
	point := func(group string) string { return strings.Replace(pointJSON, `"g"`, `"`+group+`"`, 1) }
	d := newDecoder(&names{})
	page, failure := d.decode([]byte(`{"Code":"200","Datapoints":[`+point("消费组")+","+point("bad\xffbyte")+","+point(`a\"b`)+`]}`), false)
	require.Nil(t, failure)
	groups := []string{}
	for _, p := range page.Points {
		groups = append(groups, p.Group)
	}
	assert.Equal(t, []string{"消费组", "bad\uFFFDbyte", `a"b`}, groups)

	// The page keeps its strings when the decoder goes on to another one.
	_, failure = d.decode([]byte(asString("["+strings.Repeat(point("zzzzzzzz")+",", 10)+point("z")+"]")), false)
	require.Nil(t, failure)
	assert.Equal(t, "消费组", page.Points[0].Group)
}

func TestDecodeAfterALargeReply(t *testing.T) {
	d := newDecoder(&names{})
	for range 2 {
		page, failure := d.decode([]byte(`{"Code":"200","Message":"`+strings.Repeat("x", 2<<20)+`","Datapoints":[`+pointJSON+`]}`), false)
		require.Nil(t, failure)
		assert.Equal(t, []lag.Point{groupPoint}, page.Points)
		_, failure = d.decode([]byte(asString("["+pointJSON+"]")), false)
		require.Nil(t, failure)
		assert.Equal(t, []lag.Point{groupPoint}, page.Points, "the page lives longer than the parser")
	}
}

func TestConcurrentDecoders(t *testing.T) {
	var n names
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			d := newDecoder(&n)
			for i := range 100 {
				page, failure := d.decode([]byte(asString("["+point(strconv.Itoa(i), "1")+"]")), false)
				assert.Nil(t, failure)
				assert.Equal(t, strconv.Itoa(i), page.Points[0].Group)
			}
		})
	}
	wg.Wait()
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		onePoint, asString("[" + pointJSON + "]"), `{"Code":"200","Datapoints":[` + pointJSON + `,null]}`,
		`{"Code":"Throttling.User","Message":"x","RequestId":"y"}`, `{"Success":false,"Code":500}`,
		`{"Code":"200","Datapoints":"[{\"timestamp\":NaN,\"Value\":1e999}]","NextToken":"\u0000"}`, `<alicloud.Error><Code>Throttling</Code></alicloud.Error>`, `{`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, perTopic bool) {
		d := newDecoder(&names{})
		page, failure := d.decode([]byte(string(body)), perTopic)
		for _, p := range page.Points {
			if p.Timestamp <= 0 || p.Timestamp > maxTimestamp || p.Instance == "" || p.Group == "" || perTopic == (p.Topic == "") {
				t.Fatalf("bad point %+v", p)
			}
		}
		if failure != nil && (len(page.Points) > 0 || failure.Kind == "") {
			t.Fatalf("failure %v with page %+v", failure, page)
		}
		if failure = alicloud.ServiceError(http.StatusBadRequest, body); failure.Kind == "" {
			t.Fatal("an error without a kind")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	const points = 10_000
	var pages [][]byte
	size := 0
	for first := 0; first < points; first += PageLength {
		var list []string
		for i := first; i < min(first+PageLength, points); i++ {
			list = append(list, fmt.Sprintf(`{"timestamp":1700000040000,"userId":"1234567890123456","instanceId":"alikafka_post-cn-abcdefg","consumerGroup":"group-%05d","Value":%d}`, i, i*37))
		}
		pages = append(pages, []byte(asString("["+strings.Join(list, ",")+"]")))
		size += len(pages[len(pages)-1])
	}
	d := newDecoder(&names{})
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, page := range pages {
			if _, failure := d.decode(page, false); failure != nil {
				b.Fatal(failure)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/points, "ns/point")
}
