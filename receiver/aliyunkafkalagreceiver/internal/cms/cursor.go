package cms

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// cursor reads the JSON of points. Unlike encoding/json it allocates nothing, and accepts NaN and Infinity.
type cursor struct {
	b       []byte
	at      int
	escaped bool // b is written inside of a string: its quotation marks have a backslash
}

// peek skips white space and returns the byte after it, or 0 at the end.
func (c *cursor) peek() byte {
	for ; c.at < len(c.b); c.at++ {
		if c.b[c.at] > ' ' {
			return c.b[c.at]
		}
	}
	return 0
}

// value returns what a string holds, a number as it is written, and nothing for other values. It reports whether there is
// a value.
func (c *cursor) value() ([]byte, bool) {
	switch c.peek() {
	case '"', '\\':
		return c.text()
	case '{', '[':
		return c.library()
	}
	start := c.at
	for c.at < len(c.b) && c.b[c.at] > ' ' && c.b[c.at] != ',' && c.b[c.at] != '}' {
		c.at++
	}
	switch word := c.b[start:c.at]; string(word) {
	case "null", "true", "false":
		return nil, true
	default:
		_, ok := float(word)
		return word, ok
	}
}

// text returns what a string holds, and reports whether there is one. If escaped, it reads no string that has a backslash
// of its own.
func (c *cursor) text() ([]byte, bool) {
	quote := 1
	if c.escaped {
		quote = 2
	}
	c.peek()
	s := c.b[c.at:]
	if len(s) < quote || s[quote-1] != '"' || c.escaped && s[0] != '\\' {
		return nil, false
	}
	s = s[quote:]
	end := bytes.IndexByte(s, '"') - quote + 1
	switch {
	case end < 0 || c.escaped && s[end] != '\\':
		return nil, false
	case bytes.IndexByte(s[:end], '\\') >= 0:
		return c.library()
	}
	c.at += end + 2*quote
	return s[:end], true
}

// library is value for what is rare: strings with backslashes, objects and arrays.
func (c *cursor) library() ([]byte, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(c.b[c.at:]))
	if d.Decode(&v) != nil {
		return nil, false
	}
	c.at += int(d.InputOffset())
	s, _ := v.(string)
	return []byte(s), true
}

// float returns the number that b holds: infinite if it is too large, and NaN and Infinity too, which JSON does not have.
func float(b []byte) (float64, bool) {
	n, short := int64(0), len(b) > 0 && len(b) <= 18
	for _, c := range b {
		if !short || c < '0' || c > '9' {
			f, err := strconv.ParseFloat(string(b), 64)
			return f, err == nil || errors.Is(err, strconv.ErrRange)
		}
		n = n*10 + int64(c-'0')
	}
	return float64(n), short
}
