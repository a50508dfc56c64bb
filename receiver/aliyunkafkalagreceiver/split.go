package aliyunkafkalagreceiver

import "github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"

// splitWays is into how many parts a rejected delivery is split. With four, a single point out of 10,000 series is
// alone after 7 splits, well before maxRejections.
const splitWays = 4

// size returns how many data points entries make.
func size(entries []lag.Entry) int {
	n := 0
	for i := range entries {
		n += len(entries[i].Samples)
		if entries[i].Stale {
			n++
		}
	}
	return n
}

// split divides entries into at most splitWays parts: by series, and a single series by time.
func split(entries []lag.Entry) [][]lag.Entry {
	if len(entries) == 1 {
		return splitByTime(entries[0])
	}
	// Entries go to the parts in turn. Neighbours often belong to one instance and are rejected together, and parts
	// that are rejected as a whole would end the search too early.
	parts := make([][]lag.Entry, min(splitWays, len(entries)))
	for i, e := range entries {
		parts[i%len(parts)] = append(parts[i%len(parts)], e)
	}
	return parts
}

// splitByTime divides the samples and then the stale marker of an entry, in ascending order.
func splitByTime(e lag.Entry) [][]lag.Entry {
	n, samples := size([]lag.Entry{e}), len(e.Samples)
	parts := make([][]lag.Entry, min(splitWays, n))
	for i := range parts {
		from, to := i*n/len(parts), (i+1)*n/len(parts)
		parts[i] = []lag.Entry{{Series: e.Series, Samples: e.Samples[min(from, samples):min(to, samples)], Stale: to > samples}}
	}
	return parts
}
