package cms

import (
	"bytes"
	"regexp"

	"github.com/valyala/fastjson"
)

const (
	// maxPieceBytes and maxPieces bound the work that an array costs that does not parse.
	maxPieceBytes = 4 << 10
	maxPieces     = 4 * PageLength
)

var (
	arrayStart = regexp.MustCompile(`"Datapoints"\s*:\s*\[`)
	// notFinite is a number that JSON does not have and that the parser does not know.
	notFinite = regexp.MustCompile(`:\s*([-+]?Infinity)\b`)
	// nextObject ends with the brace of the next element. A brace after a colon is a value inside an element.
	nextObject = regexp.MustCompile(`[^:\s]\s*\{`)
)

// cutArray splits a reply that does not parse into the array of Datapoints and the rest, in which that array is empty.
// The array is the only one, so it reaches to the last bracket. It returns nil if there is no array.
func cutArray(body []byte) (rest, array []byte) {
	start, end := arrayStart.FindIndex(body), bytes.LastIndexByte(body, ']')
	if start == nil || end < start[1] {
		return nil, nil
	}
	return append(append(bytes.Clone(body[:start[1]]), ']'), body[end+1:]...), body[start[1]-1 : end+1]
}

// pieces reads an array that does not parse as a whole, element by element, so that one bad element costs no other.
// It reports whether b looks like an array of a page.
func (d *decoder) pieces(page *Page, b []byte) bool {
	if b[0] != '[' || b[len(b)-1] != ']' {
		return false
	}
	rest := bytes.TrimLeft(b[1:len(b)-1], ", \t\r\n")
	for n := 0; len(rest) > 0; n++ {
		if n == maxPieces {
			return false
		}
		v, size := d.piece(rest)
		d.add(page, v)
		rest = bytes.TrimLeft(rest[size:], ", \t\r\n")
	}
	return true
}

// piece parses the element that b begins with, and returns how many bytes it takes. It returns nil for an element that
// does not parse; then the next one is taken to begin where an object may.
func (d *decoder) piece(b []byte) (v *fastjson.Value, size int) {
	if b[0] != '{' {
		if size = bytes.IndexAny(b, ",{"); size < 0 {
			size = len(b)
		}
		return nil, size
	}
	if size = objectSize(b); size > 0 {
		object := b[:size]
		if v = parse(&d.points, object); v == nil {
			v = parse(&d.points, notFinite.ReplaceAll(object, []byte(`:"$1"`)))
		}
		if v != nil {
			return v, size
		}
	}
	if next := nextObject.FindIndex(b); next != nil {
		return nil, next[1] - 1
	}
	return nil, len(b)
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
