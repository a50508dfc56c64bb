package alikafka

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
)

// NoOffset is the consumer offset of a partition for which the group has committed none.
const NoOffset = -1

// Partition is a partition of a topic.
type Partition struct {
	Topic string
	ID    int32
}

// Offsets are how far a partition is read and written.
type Offsets struct {
	Consumer int64 // what the group has committed, or NoOffset
	Broker   int64 // the newest
}

// Progress is how far a consumer group is in each partition it has read. It is empty for a group that does not exist.
type Progress map[Partition]Offsets

// replyBody is the body of a reply of GetConsumerProgress. Each list is inside an object that has only the list.
type replyBody struct {
	alicloud.Envelope
	ConsumerProgress *struct {
		TopicList struct {
			TopicList []topicBody
		}
	}
}

type topicBody struct {
	Topic      string
	OffsetList struct {
		OffsetList []offsetBody
	}
}

// offsetBody holds numbers that may be absent, or written as strings.
type offsetBody struct {
	Partition, ConsumerOffset, BrokerOffset *json.Number
}

// decode returns the progress in the body of a reply with HTTP status 200. One bad partition makes the whole reply bad: a
// consumer group must not be judged by a part of its partitions.
func decode(body []byte) (Progress, *alicloud.Error) {
	var r replyBody
	err := json.Unmarshal(body, &r)
	switch {
	case r.Failed():
		return nil, alicloud.ServiceError(http.StatusOK, body)
	case err != nil:
		return nil, alicloud.Malformed("reply is not JSON as documented")
	case r.ConsumerProgress == nil:
		return nil, alicloud.Malformed("reply is not from AliKafka: it has no ConsumerProgress")
	}
	progress := Progress{}
	for _, topic := range r.ConsumerProgress.TopicList.TopicList {
		for _, o := range topic.OffsetList.OffsetList {
			if !progress.add(topic.Topic, o) {
				return nil, alicloud.Malformed(fmt.Sprintf("a partition of topic %q is incomplete, invalid or listed twice", topic.Topic))
			}
		}
	}
	return progress, nil
}

// add adds a partition, and reports whether it is valid and new.
func (p Progress) add(topic string, o offsetBody) bool {
	id, okID := number(o.Partition)
	broker, okBroker := number(o.BrokerOffset)
	consumer, okConsumer := int64(NoOffset), true
	if o.ConsumerOffset != nil {
		consumer, okConsumer = number(o.ConsumerOffset)
	}
	key := Partition{Topic: topic, ID: int32(id)} //nolint:gosec // checked below
	_, twice := p[key]
	if topic == "" || !okID || !okBroker || !okConsumer || int64(key.ID) != id || id < 0 || broker < 0 || consumer < NoOffset || twice {
		return false
	}
	p[key] = Offsets{Consumer: consumer, Broker: broker}
	return true
}

// number returns a whole number, and reports whether there is one.
func number(n *json.Number) (int64, bool) {
	if n == nil {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}
