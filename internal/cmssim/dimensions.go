package cmssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// maxDimensions is how many objects Dimensions may have.
	maxDimensions = 50
	// maxDimensionBytes is the longest value of a dimension.
	maxDimensionBytes = 64
)

// dimensions is one object of the parameter Dimensions. A series matches if it has all of its values.
type dimensions map[string]string

// parseDimensions parses the parameter Dimensions: a JSON array of objects, or a single object.
func parseDimensions(text, metric string) ([]dimensions, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = "[" + text + "]"
	}
	var list []dimensions
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("it is not a JSON array of objects, or one object, with text values: %w", err)
	}
	if n := len(list); n == 0 || n > maxDimensions {
		return nil, fmt.Errorf("it has %d objects, allowed are 1 to %d", n, maxDimensions)
	}
	for _, d := range list {
		if err := d.check(metric); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (d dimensions) check(metric string) error {
	if len(d) == 0 {
		return errors.New("one of its objects is empty")
	}
	keys := []string{"userId", "instanceId", "consumerGroup"}
	if metric == MetricTopicAccumulation {
		keys = append(keys, "topic")
	}
	for key, value := range d {
		if !slices.Contains(keys, key) {
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

// asksFor reports whether the query covers a series.
func (q query) asksFor(id *identity) bool {
	return len(q.dimensions) == 0 || slices.ContainsFunc(q.dimensions, id.has)
}
