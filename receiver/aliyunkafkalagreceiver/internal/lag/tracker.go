package lag

import (
	"slices"
	"time"
)

// Tracker remembers all streams. It is not safe for concurrent use; a scrape that it begins is.
type Tracker struct {
	settings Settings
	streams  []*stream
	scrapes  uint64
	// entries is the memory of the last result.
	entries []Entry
}

// NewTracker returns a tracker of the metrics of the instances. No instances means every instance of the region.
func NewTracker(s Settings, metrics, instances []string) *Tracker {
	t := &Tracker{settings: s}
	batches := slices.Collect(slices.Chunk(instances, s.BatchSize))
	if len(batches) == 0 {
		batches = [][]string{nil}
	}
	for _, metric := range metrics {
		for _, batch := range batches {
			t.streams = append(t.streams, newStream(&t.settings, metric, slices.Clone(batch)))
		}
	}
	return t
}

// Streams returns how many streams there are: each takes at least one call a scrape.
func (t *Tracker) Streams() int { return len(t.streams) }

// Watermark is what is remembered of one series over a restart.
type Watermark struct {
	Metric    string
	Key       Key
	Account   string
	Timestamp int64 // of the newest accepted point, unix milliseconds
}

// Watermarks returns the watermarks of all series of which a point was accepted.
func (t *Tracker) Watermarks() []Watermark {
	var marks []Watermark
	for _, s := range t.streams {
		for _, sr := range s.list {
			if sr.delivered && sr.stream == s {
				marks = append(marks, Watermark{s.metric, sr.Key, sr.Account, sr.watermark})
			}
		}
	}
	return marks
}

// Restore continues at now where another tracker stopped. It has to come before the first scrape. Series that are not
// read any more, or not wanted, are left out, and so is a watermark in the future, which would silence its series.
func (t *Tracker) Restore(marks []Watermark, now time.Time) {
	for _, m := range marks {
		for _, s := range t.streams {
			if s.metric == m.Metric && (len(s.instances) == 0 || slices.Contains(s.instances, m.Key.Instance)) {
				s.restore(m, now.UnixMilli())
				break
			}
		}
	}
}

func (s *stream) restore(m Watermark, now int64) {
	if s.series[m.Key] != nil || m.Timestamp <= 0 || m.Timestamp > now+s.period() || !s.settings.Wanted(m.Key.Group) {
		return
	}
	sr := s.add(m.Key, m.Timestamp)
	sr.Account, sr.begun, sr.delivered = m.Account, true, true
	s.started = restored
	s.newest = max(s.newest, sr.watermark)
	s.readAt = s.newest
	s.perPeriod = float64(len(s.series))
}
