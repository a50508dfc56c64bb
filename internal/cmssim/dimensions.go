package cmssim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxInstances is how many instances Dimensions may name (CloudMonitor DescribeMetricList).
	maxInstances = 50
	// maxDimensionBytes is the longest value of a dimension (CloudMonitor DescribeMetricData).
	maxDimensionBytes = 64
)

// dimensions is one object of the parameter Dimensions: a series matches when it has all of its values.
type dimensions map[string]string

// parseDimensions parses the parameter Dimensions, JSON that is an array of objects or a single object.
func parseDimensions(text, metric, accountID string) ([]dimensions, error) {
	list, err := decodeDimensions(text)
	if err != nil {
		return nil, err
	}
	if n := len(list); n == 0 || n > maxInstances {
		return nil, fmt.Errorf("it names %d instances, allowed are 1 to %d", n, maxInstances)
	}
	for _, d := range list {
		if err := d.check(metric, accountID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func decodeDimensions(text string) ([]dimensions, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = "[" + text + "]"
	}
	var list []dimensions
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("it is not a JSON array of objects, or one object, with text values: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the JSON array of objects")
	}
	return list, nil
}

func (d dimensions) check(metric, accountID string) error {
	if len(d) == 0 {
		return errors.New("one of its objects is empty")
	}
	for key, value := range d {
		switch {
		case key == "topic" && metric == MetricTopicAccumulation:
		case key != "userId" && key != "instanceId" && key != "consumerGroup":
			return fmt.Errorf("%q is not a dimension of %s", key, metric)
		}
		if len(value) == 0 || len(value) > maxDimensionBytes {
			return fmt.Errorf("%s %q has %d bytes, allowed are 1 to %d", key, value, len(value), maxDimensionBytes)
		}
	}
	if user, ok := d["userId"]; ok && user != accountID {
		return fmt.Errorf("userId %q is not the account %s", user, accountID)
	}
	return nil
}

// match reports whether a series is asked for.
func (d dimensions) match(s *identity) bool {
	for key, value := range d {
		if s.dimension(key) != value {
			return false
		}
	}
	return true
}

// asksFor reports whether the query covers a series.
func (q query) asksFor(s *identity) bool {
	for _, d := range q.dimensions {
		if d.match(s) {
			return true
		}
	}
	return len(q.dimensions) == 0
}
