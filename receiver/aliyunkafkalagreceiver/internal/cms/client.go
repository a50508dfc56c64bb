// Package cms reads Kafka consumer lag from CloudMonitor (CMS).
//
// It signs with the Alibaba Cloud SDK and sends with the caller's http.Client. Callers see plain Go types, a context
// that is honoured, and errors of type [*alicloud.Error] that say what went wrong and what to do about it.
package cms

import (
	"context"
	"fmt"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// Limits of one DescribeMetricList call.
const (
	MaxInstances = 50   // objects that the Dimensions parameter may hold
	PageLength   = 1440 // points of a full page, the largest Length
)

// The metrics of the namespace acs_kafka that count messages not yet consumed (CloudMonitor metric list, Kafka).
const (
	MetricAccumulation      = "message_accumulation"          // a series for each consumer group
	MetricTopicAccumulation = "message_accumulation_onetopic" // a series for each consumer group and topic
)

// Page is one page of a reply.
type Page struct {
	Points    []lag.Point
	Malformed int       // points left out because they could not be understood
	NextToken string    // empty on the last page
	Date      time.Time // CloudMonitor's clock, from the Date header; zero when absent or not readable
}

// Client reads metric pages. It is safe for concurrent use.
type Client interface {
	// DescribeMetricList fetches one page. Its errors are of type [*alicloud.Error].
	//
	// After an error that says Renewed the next call asks for new credentials.
	DescribeMetricList(ctx context.Context, q Query) (Page, error)
}

// remedies say what to do about an error of CloudMonitor.
var remedies = map[alicloud.Kind]string{
	alicloud.KindThrottled:      "all tools of the account share 50 calls a second: lower requests_per_second or raise collection_interval",
	alicloud.KindQuotaExhausted: "the free quota of 1,000,000 CloudMonitor calls a month is used up: turn on pay-as-you-go for CloudMonitor Basic or raise collection_interval",
	alicloud.KindForbidden:      "grant the RAM identity the action cms:QueryMetricList; the system policy AliyunCloudMonitorReadOnlyAccess has it",
	alicloud.KindMalformedReply: "check that endpoint and proxy lead to CloudMonitor; nothing to do here if they do, unless this persists",
	alicloud.KindInvalidRequest: "CloudMonitor refused the query; the error code says which of region, instances, period is wrong",
}

// NewError returns an error about CloudMonitor that was found here, with its remedy.
func NewError(kind alicloud.Kind, message string) *alicloud.Error {
	return &alicloud.Error{Kind: kind, Message: message, Remedy: remedies[kind]}
}

// NewClient returns a client. It makes no network call; an error means the settings or the environment are wrong.
func NewClient(s alicloud.Settings) (Client, error) {
	s.Remedies = remedies
	api, err := alicloud.NewClient(s)
	if err != nil {
		return nil, err
	}
	return &client{api: api}, nil
}

type client struct {
	api   *alicloud.Client
	names names
}

func (c *client) DescribeMetricList(ctx context.Context, q Query) (Page, error) {
	if n := max(len(q.Instances), len(q.Names)); n > MaxInstances {
		return Page{}, NewError(alicloud.KindInvalidRequest,
			fmt.Sprintf("%d instances or series in one query, at most %d are allowed", n, MaxInstances))
	}
	var page Page
	date, err := c.api.Do(ctx, q.call(), func(body []byte) (failure *alicloud.Error) {
		page, failure = newDecoder(&c.names).decode(body, q.MetricName == MetricTopicAccumulation)
		return failure
	})
	if err != nil {
		return Page{}, err
	}
	page.Date = date
	return page, nil
}
