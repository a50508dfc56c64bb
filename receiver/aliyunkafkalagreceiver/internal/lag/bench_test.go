package lag

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkScrape is a steady scrape: each series has one new point.
func BenchmarkScrape(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			tracker := NewTracker(testSettings(1440), []string{"m"}, nil)
			points := make([]Point, size)
			for i := range points {
				points[i].Key = Key{Instance: "alikafka_post-cn-a", Group: fmt.Sprintf("group-%05d", i)}
			}
			now := time.UnixMilli(1_700_000_000_000)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Minute)
				for i := range points {
					points[i].Timestamp = now.Add(-time.Minute).UnixMilli()
				}
				benchmarkScrape(tracker, now, points)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size), "ns/point")
		})
	}
}

func benchmarkScrape(tracker *Tracker, now time.Time, points []Point) {
	scrape := tracker.Begin(now, func() time.Duration { return time.Minute })
	for r := scrape.Next(); r != nil; r = scrape.Next() {
		rest := points
		for len(rest) > 1440 && scrape.Page(r, rest[:1440], time.Millisecond, false) {
			rest = rest[1440:]
		}
		if len(rest) <= 1440 {
			scrape.Page(r, rest, time.Millisecond, true)
		}
	}
	for _, e := range scrape.Finish().Entries {
		e.Accept()
	}
}

func testSettings(pageLength int) Settings {
	return Settings{
		Period: time.Minute, StaleAfter: 10 * time.Minute, MaxBackfill: time.Hour,
		Wanted:     func(string) bool { return true },
		PageLength: pageLength, BatchSize: 50,
	}
}
