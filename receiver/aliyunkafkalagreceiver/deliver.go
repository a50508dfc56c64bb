package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/receiver/receiverhelper"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

const (
	// maxRejections is the number of rejections in a row after which the search for the rejected points stops.
	maxRejections = 16

	// splitWays is into how many parts a rejected delivery is split. With four, a single point out of 10,000 series is
	// alone after 7 splits, well before maxRejections.
	splitWays = 4

	// shutdownGrace is how long a delivery may go on after the shutdown began. One that hangs would otherwise hold up
	// the collector until the exporter's timeout.
	shutdownGrace = 500 * time.Millisecond
)

// deliverer passes points on to the next consumer and settles them by its answer.
type deliverer struct {
	next        consumer.Metrics
	report      *receiverhelper.ObsReport
	emitter     *emitter
	telemetry   *telemetry
	maxBackfill time.Duration
	now         func() time.Time
	accept      func(lag.Entry) // settles an entry
}

// settlement is the result of a delivery.
type settlement struct {
	points    int         // data points there were to deliver
	accepted  int         // data points that the next consumer accepted
	dropped   []lag.Entry // single points that it rejected permanently; they are not sent again
	rejection error       // its latest permanent rejection
	err       error       // why the remaining points are sent again with the next scrape; nil if there are none
}

// delivery is a delivery under way.
type delivery struct {
	*deliverer
	settlement

	rejectionsInARow int
	suspects         []lag.Entry // points that were rejected alone, before any was accepted: the fault may lie with the backend
}

// deliver sends entries until ctx ends. Accepted points are settled at once. What is rejected permanently is split until
// the points at fault are alone, and these are dropped if anything else is accepted. Whatever is not settled has to be
// delivered again.
func (d *deliverer) deliver(ctx context.Context, entries []lag.Entry) settlement {
	run := delivery{deliverer: d}
	entries = slices.DeleteFunc(entries, func(e lag.Entry) bool {
		unwanted := !d.emitter.wants(e.Series.Account)
		if unwanted {
			d.telemetry.dropped(ctx, lag.DropFiltered, int64(size([]lag.Entry{e})))
			d.accept(e)
		}
		return unwanted
	})
	if run.points = size(entries); run.points > 0 {
		run.part(ctx, entries, false)
	}
	if len(run.suspects) > 0 && run.err == nil {
		run.err = run.rejection
	}
	return run.settlement
}

// part delivers entries and reports whether all were accepted. If atFault, they are known to hold a rejected point, since
// all others were accepted, and are split without being sent first. A single point is always sent.
func (d *delivery) part(ctx context.Context, entries []lag.Entry, atFault bool) bool {
	alone := size(entries) == 1
	if !atFault || alone {
		switch accepted := d.send(ctx, entries); {
		case accepted:
			return true
		case d.err != nil:
			return false
		case alone:
			tooOld := d.now().Sub(time.UnixMilli(timestamp(entries[0]))) > d.maxBackfill
			if d.accepted > 0 || tooOld {
				d.drop(ctx, entries[0])
			} else {
				d.suspects = append(d.suspects, entries[0])
			}
			return false
		}
	}
	parts := split(entries)
	othersAccepted := true
	for i, p := range parts {
		accepted := d.part(ctx, p, othersAccepted && i == len(parts)-1)
		if d.err != nil {
			return false
		}
		othersAccepted = othersAccepted && accepted
	}
	return false
}

// send reports whether the next consumer accepted entries, and settles them if it did. It sets err if the delivery has to
// stop.
func (d *delivery) send(ctx context.Context, entries []lag.Entry) bool {
	if d.err = ctx.Err(); d.err != nil {
		return false
	}
	sending, cancel := graceful(ctx)
	defer cancel()
	sending = d.report.StartMetricsOp(sending)
	err := d.next.ConsumeMetrics(sending, d.emitter.emit(entries))
	d.report.EndMetricsOp(sending, "cloudmonitor", size(entries), err)
	switch {
	case err == nil:
		d.settle(ctx, entries)
	case ctx.Err() != nil || sending.Err() != nil || !permanent(err):
		d.err = err
	default:
		d.rejection = err
		if d.rejectionsInARow++; d.rejectionsInARow == maxRejections {
			d.err = err
		}
	}
	return err == nil
}

// settle records entries as accepted. The suspects come first, since the entries of a series are settled in order.
func (d *delivery) settle(ctx context.Context, entries []lag.Entry) {
	for _, e := range d.suspects {
		d.drop(ctx, e)
	}
	d.suspects, d.rejectionsInARow = nil, 0
	n, newest := size(entries), int64(0)
	for _, e := range entries {
		if len(e.Samples) > 0 {
			newest = max(newest, e.Samples[len(e.Samples)-1].Timestamp)
		}
		d.accept(e)
	}
	d.accepted += n
	d.telemetry.emitted(ctx, n, newest)
}

// drop settles a rejected point, so that it is not sent again.
func (d *delivery) drop(ctx context.Context, e lag.Entry) {
	d.dropped = append(d.dropped, e)
	d.telemetry.dropped(ctx, dropRejected, 1)
	d.accept(e)
}

// timestamp returns the timestamp of an entry's last point, in unix milliseconds.
func timestamp(e lag.Entry) int64 {
	if e.Stale {
		return e.StaleTimestamp()
	}
	return e.Samples[len(e.Samples)-1].Timestamp
}

// permanent reports whether sending the same points again is useless. An error that joins several, as of several
// exporters or requests, is permanent only if all of them are: some of the points may yet be taken.
func permanent(err error) bool {
	if !consumererror.IsPermanent(err) {
		return false
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok { // and not what it wraps
		return !slices.ContainsFunc(several.Unwrap(), func(err error) bool { return !permanent(err) })
	}
	inner := errors.Unwrap(err)
	return !consumererror.IsPermanent(inner) || permanent(inner)
}

// graceful returns a context that ends with ctx's deadline, or shutdownGrace after ctx is canceled.
func graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, _ := ctx.Deadline() // every scrape has one
	out, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(shutdownGrace, cancel) })
	return out, func() { stop(); cancel() }
}

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
