package cmssim

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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

// SetConsumer makes a group stop reading, or read again, from now on. Its lag stays that of the scenario or of its points.
func (s *Server) SetConsumer(c Consumer) error {
	if c.Consumer != "" && c.Consumer != ConsumerStuck {
		return fmt.Errorf("consumer: %q is not %s", c.Consumer, ConsumerStuck)
	}
	return s.store.setConsumer(groupID{c.InstanceID, c.ConsumerGroup}, c.Consumer, s.Now().UnixMilli())
}

func (s *store) setConsumer(id groupID, consumer string, now int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lagsOf(id)) == 0 {
		return fmt.Errorf("neither the scenario nor an added point has the group %q in instance %q", id.group, id.instance)
	}
	if delete(s.stuck, id); consumer == ConsumerStuck {
		s.stuck[id] = now
	}
	return nil
}

// offsets is an element of OffsetList.
type offsets struct {
	Partition                                   int
	BrokerOffset, ConsumerOffset, LastTimestamp int64
}

// getConsumerProgress answers a call with the offsets at the server's time, or returns the error to answer with. Faults
// and publication delays do not matter here, and added points only for a group that the scenario does not have.
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
	topics := s.store.progress(groupID{instance, group}, s.Now().UnixMilli())
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
func (s *store) progress(id groupID, now int64) (topics []map[string]any) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range s.lagsOf(id) {
		if lag, ok := l.at(now); ok {
			topics = append(topics, map[string]any{
				"Topic": l.topic, "LastTimestamp": -1, "TotalDiff": int64(lag),
				"OffsetList": map[string]any{"OffsetList": s.offsets(id, l, int64(lag), now)},
			})
		}
	}
	return topics
}

// topicLag is the lag of a group in a topic at any time, if it has one then.
type topicLag struct {
	topic string
	at    func(ts int64) (lag float64, ok bool)
}

// lagsOf returns the lags of a group in the scenario: those of its topics, or that of all together. A group that the
// scenario does not have has the lag of its added points.
func (s *store) lagsOf(id groupID) (lags []topicLag) {
	for _, metric := range []string{MetricTopicAccumulation, MetricAccumulation} {
		for _, c := range s.series[metric] {
			if c.instanceID == id.instance && c.consumerGroup == id.group && (c.topic != "" || len(lags) == 0) {
				lags = append(lags, topicLag{cmp.Or(c.topic, plainTopic), c.value})
			}
		}
	}
	if len(lags) == 0 && slices.ContainsFunc(s.points[MetricAccumulation], func(p addedPoint) bool { return p.isOf(id) }) {
		lags = append(lags, topicLag{plainTopic, func(ts int64) (float64, bool) { return s.newestLag(id, ts) }})
	}
	return lags
}

// newestLag returns the lag of the newest added point of a group that is not after a time.
func (s *store) newestLag(id groupID, ts int64) (lag float64, ok bool) {
	for _, p := range s.points[MetricAccumulation] {
		if p.isOf(id) && p.timestamp <= ts {
			lag, ok = p.lag, true
		}
	}
	return lag, ok
}

// offsets returns the offsets of the partitions. Those of a group that is stuck are what they were when it stopped, and the
// newest ones follow its lag, which therefore must not fall.
func (s *store) offsets(id groupID, l topicLag, lag, now int64) []offsets {
	read, then := now, float64(lag)
	if since, stuck := s.stuck[id]; stuck {
		read = since
		then, _ = l.at(since) // no lag if the group appeared later
	}
	list := make([]offsets, partitions)
	for i := range list {
		part := (lag + int64(i)) / partitions
		consumer := firstOffset + (read-s.origin)*(readPerSecond/1000) - (int64(then)+int64(i))/partitions
		list[i] = offsets{Partition: i, BrokerOffset: consumer + part, ConsumerOffset: consumer, LastTimestamp: -1}
	}
	return list
}
