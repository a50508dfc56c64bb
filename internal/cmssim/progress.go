package cmssim

import (
	"fmt"
	"net/http"
	"net/url"
)

const (
	// actionGetConsumerProgress is the call of AliKafka.
	actionGetConsumerProgress = "GetConsumerProgress"
	// partitions is how many partitions a topic has; they share its lag.
	partitions = 2
	// plainTopic is the topic of a group that has none in the scenario.
	plainTopic = "topic"
	// firstOffset is where offsets start, so that the largest lag leaves them positive.
	firstOffset = maxLag
	// readPerSecond is how much a group reads from a partition, more than any lag of a scenario may grow.
	readPerSecond = 1_000_000
)

// ConsumerStuck is the value of [Group.Consumer] for a group that reads nothing.
const ConsumerStuck = "stuck"

var (
	errGroup     = &serviceError{http.StatusBadRequest, "BIZ_SUBSCRIPTION_NOT_FOUND", "The specified consumer group is not found."}
	progressKeys = []string{"RegionId", "InstanceId", "ConsumerId", "HideLastTimestamp"}
)

// Consumer says whether a consumer group reads, as [Group.Consumer] does at the start of the scenario.
type Consumer struct {
	InstanceID    string `json:"instance_id"`
	ConsumerGroup string `json:"consumer_group"`
	Consumer      string `json:"consumer"` // ConsumerStuck, or empty
}

// SetConsumer makes a group of the scenario stop reading, or read again, from now on. Its lag stays that of the scenario.
func (s *Server) SetConsumer(c Consumer) error {
	if c.Consumer != "" && c.Consumer != ConsumerStuck {
		return fmt.Errorf("consumer: %q is not %s", c.Consumer, ConsumerStuck)
	}
	since, found := int64(0), false
	if c.Consumer == ConsumerStuck {
		since = s.Now().UnixMilli()
	}
	for _, list := range s.store.series {
		for _, one := range list {
			if one.instanceID == c.InstanceID && one.consumerGroup == c.ConsumerGroup {
				one.stuckSince.Store(since)
				found = true
			}
		}
	}
	if !found {
		return fmt.Errorf("the scenario has no group %q in instance %q", c.ConsumerGroup, c.InstanceID)
	}
	return nil
}

// offsets is an element of OffsetList.
type offsets struct {
	Partition                                   int
	BrokerOffset, ConsumerOffset, LastTimestamp int64
}

// getConsumerProgress answers a call with the offsets at the server's time, or returns the error to answer with. Faults,
// points that were added and publication delays do not matter here.
func (s *Server) getConsumerProgress(c *call, params url.Values) *serviceError {
	p := parameters{values: params}
	p.checkNames(progressKeys)
	for _, key := range progressKeys[:3] {
		p.check(key, params.Get(key) != "", "it is required")
	}
	if p.err != nil {
		return p.err
	}
	instance, group := params.Get("InstanceId"), params.Get("ConsumerId")
	c.entry.Instances, c.entry.Groups = []string{instance}, []string{group}
	topics := s.store.progress(instance, group, s.Now().UnixMilli())
	if len(topics) == 0 {
		return errGroup
	}
	s.logged(c, OutcomeOK)
	c.sendJSON(http.StatusOK, map[string]any{
		"RequestId": c.id, "Success": true, "Code": http.StatusOK, "Message": "operation success.",
		"ConsumerProgress": map[string]any{"LastTimestamp": -1, "TopicList": map[string]any{"TopicList": topics}},
	})
	return nil
}

// progress returns the elements of TopicList for a group, none if there is no such group at that time.
func (s *store) progress(instance, group string, now int64) (topics []map[string]any) {
	for _, metric := range []string{MetricTopicAccumulation, MetricAccumulation} {
		for _, c := range s.series[metric] {
			lag, ok := c.value(now)
			if !ok || c.instanceID != instance || c.consumerGroup != group || c.topic == "" && len(topics) > 0 {
				continue
			}
			name := c.topic
			if name == "" {
				name = plainTopic
			}
			topics = append(topics, map[string]any{
				"Topic": name, "LastTimestamp": -1, "TotalDiff": int64(lag),
				"OffsetList": map[string]any{"OffsetList": c.offsets(int64(lag), now)},
			})
		}
	}
	return topics
}

// offsets returns the offsets of the partitions. Those of a group that is stuck are what they were when it stopped, and the
// newest ones follow its lag, which therefore must not fall.
func (s *series) offsets(lag, now int64) []offsets {
	read, then := now, float64(lag)
	if since := s.stuckSince.Load(); since != 0 {
		read = since
		then, _ = s.value(since) // no lag if the group appeared later
	}
	list := make([]offsets, partitions)
	for i := range list {
		part := (lag + int64(i)) / partitions
		consumer := firstOffset + (read-s.origin)*(readPerSecond/1000) - (int64(then)+int64(i))/partitions
		list[i] = offsets{Partition: i, BrokerOffset: consumer + part, ConsumerOffset: consumer, LastTimestamp: -1}
	}
	return list
}
