package cms

import (
	"bytes"
	"regexp"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

const (
	// maxPieceBytes and maxPieces bound the work that elements cost that are no plain objects.
	maxPieceBytes = 4 << 10
	maxPieces     = 4 * PageLength
)

var (
	// notFinite is a number that JSON does not have and that the parser does not know.
	notFinite = regexp.MustCompile(`:\s*([-+]?Infinity)\b`)
	// nextObject ends with the brace of the next element. A brace after a colon is a value inside an element.
	nextObject = regexp.MustCompile(`[^:\s]\s*\{`)
)

// array reads the points of an array, element by element, so that one bad element costs no other. It reports whether b
// looks like the array of a page. An array written inside of a string (escaped) is read only if all elements are plain.
func (d *decoder) array(page *Page, b []byte, escaped bool) bool {
	if b[0] != '[' || b[len(b)-1] != ']' {
		return false
	}
	d.element.names.mu.Lock()
	defer d.element.names.mu.Unlock()
	page.Points, page.Malformed = make([]lag.Point, 0, min(bytes.Count(b, []byte("{")), PageLength)), 0
	pieces := 0
	for rest := trim(b[1 : len(b)-1]); len(rest) > 0; {
		size := d.element.scan(rest, escaped)
		if size == 0 {
			if pieces++; escaped || pieces > maxPieces {
				return false
			}
			size = d.piece(rest)
		}
		if p, ok := d.element.result(); ok {
			page.Points = append(page.Points, p)
		} else {
			page.Malformed++
		}
		rest = trim(rest[size:])
	}
	return true
}

// trim removes what stands between elements.
func trim(b []byte) []byte { return bytes.TrimLeft(b, ", \t\r\n") }

// piece parses the element that b begins with, and returns how many bytes it takes. After an element that does not parse,
// the next one is taken to begin where an object may.
func (d *decoder) piece(b []byte) (size int) {
	d.element.parse(nil)
	if b[0] != '{' {
		if size = bytes.IndexAny(b, ",{"); size < 0 {
			size = len(b)
		}
		return size
	}
	if size = objectSize(b); size > 0 {
		object := b[:size]
		v := parse(&d.points, object)
		if v == nil {
			v = parse(&d.points, notFinite.ReplaceAll(object, []byte(`:"$1"`)))
		}
		if v != nil {
			d.element.parse(v)
			return size
		}
	}
	if next := nextObject.FindIndex(b); next != nil {
		return next[1] - 1
	}
	return len(b)
}

// objectSize returns the length of the object that b begins with, or 0 if it does not end, or not soon enough.
func objectSize(b []byte) int {
	depth, quoted := 0, false
	for i := 0; i < min(len(b), maxPieceBytes); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
