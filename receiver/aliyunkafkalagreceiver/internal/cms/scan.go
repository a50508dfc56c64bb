package cms

import "bytes"

// scan reads the object that b begins with and returns its length, or 0 if it is not a plain one: flat, without white
// space, and without escapes in its strings. Inside of a string (escaped) its quotation marks have a backslash. Plain
// objects are what CloudMonitor writes; the parser reads them too, but takes four times as long.
func (e *element) scan(b []byte, escaped bool) int {
	if b[0] != '{' {
		return 0
	}
	e.reset()
	b = b[:min(len(b), maxPieceBytes)]
	for i := 1; ; i++ {
		key, size := scanString(b[i:], escaped)
		if i += size; size == 0 || i+1 >= len(b) || b[i] != ':' {
			return 0
		}
		i++
		value, size := scanNumber(b[i:])
		if size == 0 {
			value, size = scanString(b[i:], escaped)
		}
		if i += size; size == 0 || i >= len(b) {
			return 0
		}
		e.set(key, value)
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return 0
		}
	}
}

// scanNumber returns the number that b begins with and its length, or 0 if there is none.
func scanNumber(b []byte) (number []byte, size int) {
	for ; size < len(b); size++ {
		c := b[size]
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			break
		}
	}
	if size == 0 || b[size-1] < '0' || b[size-1] > '9' {
		return nil, 0
	}
	return b[:size], size
}

// scanString returns the string that b begins with and its length with its quotation marks, or 0 if it is not plain.
func scanString(b []byte, escaped bool) (s []byte, size int) {
	quote := 1
	if escaped {
		quote = 2
	}
	if len(b) < quote || b[quote-1] != '"' || escaped && b[0] != '\\' {
		return nil, 0
	}
	s = b[quote:]
	end := bytes.IndexByte(s, '"') - quote + 1
	if end < 0 || escaped && s[end] != '\\' || bytes.IndexByte(s[:end], '\\') >= 0 {
		return nil, 0
	}
	return s[:end], end + 2*quote
}
