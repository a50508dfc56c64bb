package aliyunkafkalagreceiver

import (
	"math"
	"time"

	"go.uber.org/zap"
)

const (
	// freeQuota is how many calls a month CloudMonitor answers free of charge, over all its query APIs and everything
	// that uses the account. Source: CloudMonitor DescribeMetricList, "Limits".
	freeQuota = 1_000_000

	month = 30 * 24 * time.Hour

	// measuredScrapes is over how many scrapes the calls are counted.
	measuredScrapes = 10
)

// quota logs how many calls a month are projected against the free quota: at start by the least calls there can be, and
// once more when they have been counted.
type quota struct {
	logger         *zap.Logger
	interval       time.Duration
	scrapes, calls int64
}

// announce logs what at least one call for each stream a scrape comes to.
func (q *quota) announce(endpoint string, streams int) {
	q.log("Each scrape makes at least one call to CloudMonitor for each batch and metric", float64(streams),
		zap.String("endpoint", endpoint), zap.Int("batches", streams))
}

// scraped counts the calls of a scrape in which every stream was read. The first one does not count, since it reads
// further back. scraped returns true once, when the calls are known.
func (q *quota) scraped(calls int64) bool {
	if q.scrapes++; q.scrapes > 1 {
		q.calls += calls
	}
	if q.scrapes != measuredScrapes+1 {
		return false
	}
	q.log("Counted the calls to CloudMonitor", float64(q.calls)/measuredScrapes)
	return true
}

func (q *quota) log(what string, callsPerScrape float64, fields ...zap.Field) {
	level, remark := zap.InfoLevel, "; everything in the account shares the free quota"
	projected := projectedCalls(callsPerScrape, q.interval)
	if projected > freeQuota {
		level, remark = zap.WarnLevel, "; the projected calls exceed the account's free quota: raise collection_interval or list fewer instances"
	}
	q.logger.Log(level, what+remark, append(fields, zap.Stringer("collection_interval", q.interval), zap.Float64("calls_per_scrape", callsPerScrape),
		zap.Int64("projected_calls_per_month", projected), zap.Int("free_quota_per_month", freeQuota))...)
}

// projectedCalls returns how many calls a month a number of calls for each scrape comes to.
func projectedCalls(perScrape float64, interval time.Duration) int64 {
	return int64(math.Ceil(perScrape * float64(month) / float64(interval)))
}
