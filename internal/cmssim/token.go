package cmssim

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"time"
)

// cursor is where the next page starts. It carries the state that the first page saw, so that pages fit together
// although time goes on and points are added.
type cursor struct {
	asOf      int64  // server's time of the first page, unix nanoseconds
	added     uint64 // how many explicit points there were
	timestamp int64  // unix milliseconds of the next row
	row       int    // its number among the rows of the timestamp
}

// token makes the opaque NextToken of a query.
func (c cursor) token(q query) string {
	return base64.RawURLEncoding.EncodeToString(
		fmt.Appendf(nil, "%x.%x.%x.%x.%x", q.hash(), c.asOf, c.added, c.timestamp, c.row))
}

// parseToken reports whether the token is one of this query.
func parseToken(token string, q query) (cursor, bool) {
	var c cursor
	var hash uint64
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return c, false
	}
	_, err = fmt.Sscanf(string(text), "%x.%x.%x.%x.%x", &hash, &c.asOf, &c.added, &c.timestamp, &c.row)
	ok := err == nil && hash == q.hash() && c.asOf > 0 && c.row >= 0 &&
		c.timestamp > q.start.UnixMilli() && c.timestamp <= q.end.UnixMilli()+1
	return c, ok
}

// hash tells queries apart. Length is not part of it: pages may differ in size.
func (q query) hash() uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, q.metric, q.period/time.Second, q.start.UnixMilli(), q.end.UnixMilli(), q.dimensions)
	return h.Sum64()
}
