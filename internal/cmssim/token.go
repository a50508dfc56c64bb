package cmssim

import (
	"fmt"
	"hash/fnv"
)

// cursor is where a page starts.
type cursor struct {
	asOf   int64 // server's time of the first page in unix nanoseconds: what is published later is on no page
	offset int   // how many points the pages before had
}

// token returns the NextToken for a query.
func (c cursor) token(q query) string {
	return fmt.Sprintf("%016x-%x-%x", q.hash(), c.asOf, c.offset)
}

// parseToken reports whether the token belongs to the query.
func parseToken(token string, q query) (cursor, bool) {
	var c cursor
	var hash uint64
	_, err := fmt.Sscanf(token, "%x-%x-%x", &hash, &c.asOf, &c.offset)
	return c, err == nil && hash == q.hash()
}

// hash tells queries apart. Length is not part of it, since pages may differ in size.
func (q query) hash() uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, q.metric, q.period, q.start.UnixMilli(), q.end.UnixMilli(), q.dimensions)
	return h.Sum64()
}
