package alikafka

// Verdict is what two looks at a consumer group say about it.
type Verdict string

// The verdicts.
const (
	Stuck   Verdict = "stuck"   // it has messages to read, and reads none in any partition
	Slow    Verdict = "slow"    // it reads
	Unknown Verdict = "unknown" // neither can be told
)

// Compare judges a consumer group by its progress now and some time before, and says why in a few words. Groups commit
// their offsets now and then, so the time between the two must be longer than the commit interval and than what one batch
// of messages takes; otherwise a slow group looks stuck.
//
// A group that reads in one partition is slow, even if others stand still: a restart would interrupt what works. Where
// offsets go back, somebody resets them or has made the topic anew, and nothing can be told.
func Compare(before, after Progress) (verdict Verdict, reason string) {
	compared, lagging, moved := 0, 0, 0
	for partition, then := range before {
		now, ok := after[partition]
		if !ok {
			continue
		}
		compared++
		if now.Consumer < then.Consumer || now.Broker < then.Broker {
			return Unknown, "offsets went back"
		}
		if now.Consumer > then.Consumer {
			moved++
		}
		// Without a committed offset there is none that could stand still.
		if then.Consumer != NoOffset && then.Consumer < then.Broker {
			lagging++
		}
	}
	switch {
	case compared == 0:
		return Unknown, "no partition to compare"
	case moved > 0:
		return Slow, "offsets move"
	case lagging == 0:
		return Unknown, "no partition had messages to read"
	default:
		return Stuck, "offsets stand still although there are messages to read"
	}
}
