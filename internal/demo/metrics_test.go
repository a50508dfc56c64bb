package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	rows, err := parse(strings.NewReader(`# HELP kafka_consumer_message_accumulation Messages not consumed yet.
# TYPE kafka_consumer_message_accumulation gauge
kafka_consumer_message_accumulation{consumer_group="orders",instance_id="alikafka_a"} 164000 1763856000000
kafka_consumer_message_accumulation{instance_id="alikafka_a",consumer_group="a \"b\" \\ 订单,c}"} 0 1763856000500
kafka_consumer_message_accumulation{consumer_group="big",instance_id="alikafka_b"} 1.5e+06 1763856000000
kafka_consumer_topic_message_accumulation{consumer_group="big",instance_id="alikafka_b",topic="t"} 7 1763856000000
`))
	require.NoError(t, err)
	at := time.UnixMilli(1763856000000)
	assert.Equal(t, []row{
		{series{"orders", "alikafka_a"}, 164000, at},
		{series{`a "b" \ 订单,c}`, "alikafka_a"}, 0, at.Add(500 * time.Millisecond)},
		{series{"big", "alikafka_b"}, 1.5e6, at},
	}, rows)
}

func TestParseRefuses(t *testing.T) {
	for _, sample := range []string{
		`{consumer_group="a"`,
		`{consumer_group="a} 1 2`,
		`{consumer_group} 1 2`,
		`{consumer_group="a"}`,
		`{consumer_group="a"} 1`,
		`{consumer_group="a"} one 2`,
		`{consumer_group="a"} 1 two`,
		`{consumer_group="a"} 1 2 3`,
	} {
		_, err := parse(strings.NewReader(metric + sample))
		require.ErrorContains(t, err, "consumer_group", sample)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(metric + `{consumer_group="a \" \\ \n",instance_id="b"} 1 1763856000000`)
	f.Add(metric + `{} 1 2`)
	f.Fuzz(func(t *testing.T, page string) {
		rows, err := parse(strings.NewReader(page))
		if err != nil {
			assert.Empty(t, rows)
		}
	})
}

func TestFetch(t *testing.T) {
	pages := http.NewServeMux()
	pages.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(metric + `{consumer_group="orders",instance_id="alikafka_a"} 12 1763856000000`))
	})
	server := httptest.NewServer(pages)
	defer server.Close()

	rows, err := fetch(t.Context(), server.URL+"/metrics")
	require.NoError(t, err)
	assert.Len(t, rows, 1)

	_, err = fetch(t.Context(), server.URL+"/elsewhere")
	require.ErrorContains(t, err, "404")
}
