package cms

import (
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// call gives the query the names and formats of CloudMonitor DescribeMetricList.
func (q Query) call() call {
	p := url.Values{
		"Namespace":  {"acs_kafka"},
		"MetricName": {q.MetricName},
		"Period":     {strconv.FormatInt(int64(q.Period/time.Second), 10)},
		"StartTime":  {strconv.FormatInt(q.Start, 10)},
		"EndTime":    {strconv.FormatInt(q.End, 10)},
		"Length":     {strconv.Itoa(PageLength)},
	}
	if d := q.dimensions(); len(d) > 0 {
		b, _ := json.Marshal(d) // strings always marshal
		p.Set("Dimensions", string(b))
	}
	if q.NextToken != "" {
		p.Set("NextToken", q.NextToken)
	}
	return call{action: "DescribeMetricList", version: "2019-01-01", query: p}
}

// dimension is an object of the parameter Dimensions. An instance alone stands for all its series.
type dimension struct {
	Instance string `json:"instanceId"`
	Group    string `json:"consumerGroup,omitempty"`
	Topic    string `json:"topic,omitempty"`
}

func (q Query) dimensions() []dimension {
	names := q.Names
	if len(names) == 0 {
		for _, id := range q.Instances {
			names = append(names, lag.Key{Instance: id})
		}
	}
	list := make([]dimension, len(names))
	for i, k := range names {
		list[i] = dimension(k)
	}
	return list
}
