// Package alikafka asks ApsaraMQ for Kafka (AliKafka) how far a consumer group is, and judges from two replies whether it
// is stuck or only slow.
package alikafka

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
)

const (
	firstWait   = 500 * time.Millisecond // before a call is repeated the first time
	longestWait = 15 * time.Second

	// codeNoGroup is the error code for a consumer group that does not exist.
	codeNoGroup = "BIZ_SUBSCRIPTION_NOT_FOUND"
)

// remedies say what to do about an error of AliKafka.
var remedies = map[alicloud.Kind]string{
	alicloud.KindThrottled:      "all tools of the account share 100 calls a second: ask less often",
	alicloud.KindQuotaExhausted: "AliKafka says that a quota is used up: look at the quotas of the account",
	alicloud.KindForbidden:      "grant the RAM identity the action alikafka:ListGroup on the resource *",
	alicloud.KindMalformedReply: "check that endpoint and proxy lead to AliKafka; nothing to do here if they do, unless this persists",
	alicloud.KindInvalidRequest: "AliKafka refused the query; the error code says which of region, instance, consumer group is wrong",
}

// Client asks AliKafka. It is safe for concurrent use.
type Client struct {
	api    *alicloud.Client
	region string
}

// NewClient returns a client for the instances of a region, which is required. An empty endpoint is that of region and
// network. It makes no network call; an error means the settings or the environment are wrong.
func NewClient(s alicloud.Settings) (*Client, error) {
	if s.Region == "" {
		return nil, errors.New("region: must be set, for example to cn-hangzhou")
	}
	if s.Endpoint == "" {
		s.Endpoint = Endpoint(s.Region, s.Network)
	}
	s.Remedies = remedies
	api, err := alicloud.NewClient(s)
	if err != nil {
		return nil, err
	}
	return &Client{api: api, region: s.Region}, nil
}

// Endpoint returns the URL at which AliKafka is asked from a network: "vpc", or anything else for the Internet.
// Source: ApsaraMQ for Kafka, "Endpoints".
func Endpoint(region, network string) string {
	host := "alikafka."
	if network == alicloud.NetworkVPC {
		host = "alikafka-vpc."
	}
	return "https://" + host + region + ".aliyuncs.com"
}

// Progress returns how far a consumer group is. It is empty if the instance has no such group. A call that failed for a
// passing reason is repeated until ctx ends, so ctx needs a deadline. Errors are of type [*alicloud.Error]; they name the
// RAM action that is missing and hold no secret.
func (c *Client) Progress(ctx context.Context, instanceID, group string) (Progress, error) {
	waits := backoff.ExponentialBackOff{
		InitialInterval: firstWait, MaxInterval: longestWait, Multiplier: 2, RandomizationFactor: backoff.DefaultRandomizationFactor,
	}
	waits.Reset()
	renewed := false
	var before error
	for {
		progress, err := c.ask(ctx, instanceID, group)
		failure, ok := errors.AsType[*alicloud.Error](err)
		switch {
		case !ok:
			return progress, err
		case failure.Code == codeNoGroup:
			return Progress{}, nil
		case ctx.Err() != nil && before != nil:
			return nil, before // why the earlier calls failed says more than that the time was over
		case failure.Renewed && !renewed:
			renewed = true
			continue
		case !failure.Retryable():
			return nil, err
		}
		before = err
		if !sleep(ctx, max(waits.NextBackOff(), failure.RetryAfter)) {
			return nil, err
		}
	}
}

// ask makes one call.
func (c *Client) ask(ctx context.Context, instanceID, group string) (progress Progress, _ error) {
	call := alicloud.Call{Action: "GetConsumerProgress", Version: "2019-09-16", Query: url.Values{
		"RegionId":          {c.region},
		"InstanceId":        {instanceID},
		"ConsumerId":        {group},
		"HideLastTimestamp": {"true"}, // spares AliKafka the work, as its documentation recommends
	}}
	_, err := c.api.Do(ctx, call, func(body []byte) (failure *alicloud.Error) {
		progress, failure = decode(body)
		return failure
	})
	return progress, err
}

// sleep waits for d. It returns false at once when ctx ends, or would end before.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) < d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
