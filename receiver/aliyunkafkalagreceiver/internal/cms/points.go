package cms

import (
	"bytes"
	"math"
	"regexp"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

const (
	// maxTimestamp is the last millisecond that a count of nanoseconds can express.
	maxTimestamp = math.MaxInt64 / 1_000_000
	// maxPieceBytes is the longest element that is read, and maxPieces how many of a page may be bad: they bound the work.
	maxPieceBytes = 4 << 10
	maxPieces     = 4 * PageLength
)

// nextObject ends with the brace of the next element. A brace after a colon is a value inside an element.
var nextObject = regexp.MustCompile(`[^:\s]\s*\{`)

// decoder reads the elements of Datapoints, one after the other. Dimensions and statistics share one flat object.
type decoder struct {
	names    *names
	perTopic bool

	point lag.Point
	rank  int  // of the statistic that gave point.Value; 0 for none
	valid bool // whether that statistic is a number

	account, instance string // the names of the element before, which most often repeat
}

func newDecoder(n *names) *decoder { return &decoder{names: n} }

// array reads the points of an array, so that one bad element costs no other. It reports whether b looks like the array of
// a page. An array written inside of a string (escaped) is read only if its elements are plain.
func (d *decoder) array(page *Page, b []byte, escaped bool) bool {
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return false
	}
	d.names.mu.Lock()
	defer d.names.mu.Unlock()
	page.Points, page.Malformed = make([]lag.Point, 0, min(bytes.Count(b, []byte("{")), PageLength)), 0
	bad := 0
	for rest := trim(b[1 : len(b)-1]); len(rest) > 0; {
		size := d.object(rest[:min(len(rest), maxPieceBytes)], escaped)
		p := &d.point
		if size > 0 && d.valid && p.Timestamp > 0 && p.Instance != "" && p.Group != "" && (p.Topic != "" || !d.perTopic) {
			page.Points = append(page.Points, *p)
		} else {
			page.Malformed++
		}
		if size == 0 {
			if bad++; escaped || bad > maxPieces {
				return false
			}
			size = skip(rest)
		}
		rest = trim(rest[size:])
	}
	return true
}

// trim removes what stands between elements.
func trim(b []byte) []byte { return bytes.TrimLeft(b, ", \t\r\n") }

// skip returns the length of the bad element that b begins with. The next one is taken to begin where an object may.
func skip(b []byte) int {
	if b[0] != '{' {
		if size := bytes.IndexAny(b, ",{"); size >= 0 {
			return size
		}
	} else if next := nextObject.FindIndex(b); next != nil {
		return next[1] - 1
	}
	return len(b)
}

// object reads the object that b begins with. It returns its length, or 0 if it is not one, or empty.
func (d *decoder) object(b []byte, escaped bool) int {
	d.point, d.rank, d.valid = lag.Point{}, 0, false
	c := cursor{b: b, escaped: escaped}
	for open := byte('{'); c.peek() == open; open = ',' {
		c.at++
		key, ok := c.text()
		if !ok || c.peek() != ':' {
			return 0
		}
		c.at++
		isNull := c.peek() == 'n'
		value, ok := c.value()
		if !ok {
			return 0
		}
		if !isNull {
			d.set(key, value)
		}
		if c.peek() == '}' {
			return c.at + 1
		}
	}
	return 0
}

// set takes over the value of one key. Value counts before Maximum, and Maximum before Average.
func (d *decoder) set(key, value []byte) {
	switch string(key) {
	case "timestamp":
		if ms, _ := float(value); ms > 0 && ms <= maxTimestamp {
			d.point.Timestamp = int64(ms)
		}
	case "userId":
		d.account = d.name(value, d.account)
		d.point.Account = d.account
	case "instanceId":
		d.instance = d.name(value, d.instance)
		d.point.Instance = d.instance
	case "consumerGroup":
		d.point.Group = d.name(value, "")
	case "topic":
		if d.perTopic {
			d.point.Topic = d.name(value, "")
		}
	case "Value":
		d.statistic(value, 3)
	case "Maximum":
		d.statistic(value, 2)
	case "Average":
		d.statistic(value, 1)
	}
}

// statistic takes the value of the highest rank. Presence decides, not the number.
func (d *decoder) statistic(value []byte, rank int) {
	if rank > d.rank {
		d.rank = rank
		d.point.Value, d.valid = float(value)
	}
}

// name returns b as a string. It is fastest if that equals last.
func (d *decoder) name(b []byte, last string) string {
	if string(b) == last {
		return last
	}
	return d.names.get(b)
}
