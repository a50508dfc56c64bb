package alikafka

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
)

func goldenReply(t testing.TB) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/reply.json")
	require.NoError(t, err)
	return body
}

var goldenProgress = Progress{
	{"orders", 0}:  {Consumer: 1000, Broker: 1100},
	{"orders", 1}:  {Consumer: 9007199254740993, Broker: 9007199254740993}, // no float64 has this number
	{"refunds", 0}: {Consumer: NoOffset, Broker: 1},
}

// withOffsets returns a reply with the partitions of one topic.
func withOffsets(topic, offsets string) string {
	return fmt.Sprintf(`{"Code":200,"Success":true,"ConsumerProgress":{"TopicList":{"TopicList":[{"Topic":%q,"OffsetList":{"OffsetList":[%s]}}]}}}`, topic, offsets)
}

func TestDecode(t *testing.T) {
	tests := map[string]struct {
		body string
		want Progress
	}{
		"golden":             {string(goldenReply(t)), goldenProgress},
		"text for numbers":   {withOffsets("t", `{"Partition":"3","ConsumerOffset":"4","BrokerOffset":"5"}`), Progress{{"t", 3}: {4, 5}}},
		"no consumer offset": {withOffsets("t", `{"Partition":3,"BrokerOffset":5}`), Progress{{"t", 3}: {NoOffset, 5}}},
		"null offset":        {withOffsets("t", `{"Partition":3,"ConsumerOffset":null,"BrokerOffset":5}`), Progress{{"t", 3}: {NoOffset, 5}}},
		"no partitions":      {withOffsets("t", ``), Progress{}},
		"no topics":          {`{"Code":"200","ConsumerProgress":{"TotalDiff":0}}`, Progress{}},
		"empty lists":        {`{"Success":"true","ConsumerProgress":{"TopicList":{"TopicList":[]}}}`, Progress{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, failure := decode([]byte(tt.body))
			require.Nil(t, failure)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestDecodeMalformedReply(t *testing.T) {
	good := `{"Partition":0,"ConsumerOffset":1,"BrokerOffset":2}`
	tests := map[string]string{
		"empty":                  ``,
		"HTML":                   `<html>`,
		"null":                   `null`,
		"array":                  `[]`,
		"no progress":            `{"Code":200,"Success":true}`,
		"of CloudMonitor":        `{"Code":"200","Success":true,"Datapoints":"[]"}`,
		"list without an object": `{"Code":200,"ConsumerProgress":{"TopicList":[]}}`,
		"cut off":                strings.TrimSuffix(withOffsets("t", good), "}"),
		"no topic":               withOffsets("", good),
		"no partition":           withOffsets("t", `{"ConsumerOffset":1,"BrokerOffset":2}`),
		"no broker offset":       withOffsets("t", `{"Partition":0,"ConsumerOffset":1}`),
		"negative partition":     withOffsets("t", `{"Partition":-1,"ConsumerOffset":1,"BrokerOffset":2}`),
		"large partition":        withOffsets("t", `{"Partition":4294967296,"ConsumerOffset":1,"BrokerOffset":2}`),
		"negative broker":        withOffsets("t", `{"Partition":0,"ConsumerOffset":1,"BrokerOffset":-1}`),
		"below NoOffset":         withOffsets("t", `{"Partition":0,"ConsumerOffset":-2,"BrokerOffset":2}`),
		"fraction":               withOffsets("t", `{"Partition":0,"ConsumerOffset":1.5,"BrokerOffset":2}`),
		"too large":              withOffsets("t", `{"Partition":0,"ConsumerOffset":1,"BrokerOffset":9223372036854775808}`),
		"text":                   withOffsets("t", `{"Partition":0,"ConsumerOffset":"many","BrokerOffset":2}`),
		"listed twice":           withOffsets("t", good+","+good),
		"bad after good":         withOffsets("t", good+`,{}`),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			got, failure := decode([]byte(body))
			require.NotNil(t, failure)
			assert.Equal(t, alicloud.KindMalformedReply, failure.Kind)
			assert.Nil(t, got)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(goldenReply(f))
	f.Add([]byte(withOffsets("t", `{"Partition":"3","ConsumerOffset":null,"BrokerOffset":5}`)))
	f.Add([]byte(`{"Success":false,"Code":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, failure := decode(body)
		if (got == nil) != (failure != nil) {
			t.Fatalf("progress %v and error %v", got, failure)
		}
		for p, o := range got {
			if p.Topic == "" || p.ID < 0 || o.Broker < 0 || o.Consumer < NoOffset {
				t.Fatalf("%v has %v", p, o)
			}
		}
		if verdict, _ := Compare(got, got); verdict == Slow {
			t.Fatal("what does not change moves")
		}
	})
}
