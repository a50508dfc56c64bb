package aliyunkafkalagreceiver

// dropReason is why a point of CloudMonitor was not emitted: the value of the attribute
// reason of the receiver's own telemetry.
type dropReason string

const (
	// dropMalformed: the point lacks a field or has one of a wrong type.
	dropMalformed dropReason = "malformed"
	// dropFiltered: consumer_groups does not want the group.
	dropFiltered dropReason = "filtered"
	// dropNegative and dropNotFinite: the value would break a scaler.
	dropNegative  dropReason = "negative"
	dropNotFinite dropReason = "not_finite"
	// dropFuture: dated more than one period ahead.
	dropFuture dropReason = "future"
	// dropTooOld: older than max_backfill.
	dropTooOld dropReason = "too_old"
	// dropBehindWatermark: read again since another series was behind, or published after
	// a newer point of its own series.
	dropBehindWatermark dropReason = "behind_watermark"
	// dropBeforeStart: older than the newest point at the receiver's start.
	dropBeforeStart dropReason = "before_start"
	// dropStale: as old as stale_after, of a series that is not live.
	dropStale dropReason = "stale"
	// dropRefused: the next consumer refused it for good, as long as max_backfill.
	dropRefused dropReason = "refused"
)

// sample is one value of a series. The timestamp is in unix milliseconds.
type sample struct {
	timestamp int64
	value     float64
}

// seriesDelivery is what the next consumer is to get of one series: samples, ascending,
// and then, if it ended, the mark of its end.
type seriesDelivery struct {
	key     seriesKey
	userID  string
	samples []sample
	ended   bool
}

// last is the timestamp of the last sample. There has to be one.
func (sd *seriesDelivery) last() int64 {
	return sd.samples[len(sd.samples)-1].timestamp
}

// delivery is what the next consumer is to get of one read of a stream. The stream moves
// on only when it is committed, that is when the next consumer has accepted it.
type delivery struct {
	stream *stream
	window window
	// current tells that the window reached the present.
	current bool
	series  []seriesDelivery
	dropped map[dropReason]int64
}

func (d *delivery) drop(reason dropReason, n int64) {
	if n > 0 {
		d.dropped[reason] += n
	}
}

// endTimestamp is the timestamp of the mark that ends a series: 1 ms after its last point,
// so that nothing that arrives later is out of order.
func (d *delivery) endTimestamp(sd *seriesDelivery) int64 {
	if len(sd.samples) > 0 {
		return sd.last() + 1
	}
	return d.stream.series[sd.key].watermark + 1
}

// commit records the delivery as accepted.
func (d *delivery) commit() {
	for i := range d.series {
		sd := &d.series[i]
		if sd.ended {
			delete(d.stream.series, sd.key)
			continue
		}
		ser := d.stream.series[sd.key]
		ser.watermark = sd.last()
		ser.delivered = true
	}
	if d.current {
		d.stream.catchUp = catchUp{}
		return
	}
	d.stream.catchUp.delivered(d.window, d.stream.limits.period)
}

// points is how many data points the delivery has, marks included.
func (d *delivery) points() int64 {
	var n int64
	for i := range d.series {
		n += int64(len(d.series[i].samples))
		if d.series[i].ended {
			n++
		}
	}
	return n
}

// newest is the timestamp of the newest sample, 0 if there is none.
func (d *delivery) newest() int64 {
	var newest int64
	for i := range d.series {
		if len(d.series[i].samples) > 0 {
			newest = max(newest, d.series[i].last())
		}
	}
	return newest
}
