package cms

import (
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// Query asks for one page of a metric in the namespace acs_kafka.
type Query struct {
	MetricName string        // CMS metric ID: MetricAccumulation or MetricTopicAccumulation
	Period     time.Duration // statistical period of the points, whole seconds
	Start, End int64         // the window (Start, End], unix milliseconds
	Instances  []string      // at most MaxInstances Kafka instance IDs; empty asks for every instance in the region
	Names      []lag.Key     // at most MaxInstances; when set, only these series are asked for and Instances is ignored
	NextToken  string        // the token of the page before; empty for the first page
}

// call gives the query the names and formats of CloudMonitor DescribeMetricList.
func (q Query) call() alicloud.Call {
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
	return alicloud.Call{Action: "DescribeMetricList", Version: "2019-01-01", Query: p}
}

// dimension is an object of the parameter Dimensions. An instance alone stands for all its series.
type dimension struct {
	Instance string `json:"instanceId"`
	Group    string `json:"consumerGroup,omitempty"`
	Topic    string `json:"topic,omitempty"`
}

func (q Query) dimensions() (list []dimension) {
	for _, k := range q.Names {
		list = append(list, dimension(k))
	}
	if list == nil {
		for _, id := range q.Instances {
			list = append(list, dimension{Instance: id})
		}
	}
	return list
}
