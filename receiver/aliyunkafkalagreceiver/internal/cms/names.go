package cms

import (
	"strings"
	"sync"
)

const (
	renewAfter   = 16      // lookups, for each name in the table, before the table is renewed
	maxNames     = 1 << 18 // bounds the table when names never repeat
	maxNameBytes = 1 << 10 // longer names are not kept; CloudMonitor documents at most 64
)

// names keeps the strings of pages, so that a name is allocated once and not once a page. Names that pages have not
// used for some time are forgotten: the table is renewed now and then, and takes over from the old one what is used.
type names struct {
	mu       sync.Mutex // held by the decoder while it reads the points of a page
	new, old map[string]string
	lookups  int
}

// get returns b as valid UTF-8, as telemetry attributes have to be.
func (n *names) get(b []byte) string {
	n.lookups++
	if s, ok := n.new[string(b)]; ok {
		return s
	}
	raw := string(b)
	s, ok := n.old[raw]
	if !ok {
		s = strings.ToValidUTF8(raw, "\uFFFD")
	}
	if len(raw) > maxNameBytes {
		return s
	}
	if n.new == nil || len(n.new) >= maxNames || n.lookups > renewAfter*max(len(n.new), PageLength) {
		n.new, n.old, n.lookups = map[string]string{}, n.new, 0
	}
	n.new[raw] = s
	return s
}
