package cmssim

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// quote returns s as a JSON string.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can always be encoded
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}

// number returns a finite number as JSON.
func number(f float64) string {
	format := byte('f')
	if math.Abs(f) >= 1e21 {
		format = 'e'
	}
	return strconv.FormatFloat(f, format, -1, 64)
}
