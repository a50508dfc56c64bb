package lag

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestTwoSearchesInOneScrape sets every bad instance aside once, although the rest of the batch fails again after the
// first search has ended.
func TestTwoSearchesInOneScrape(t *testing.T) {
	s := newStream(&Settings{BatchSize: 50}, "lag", []string{"a", "b", "c", "d"})
	rejected := errors.New("rejected")
	search := func(bad ...string) {
		s.search.halve(s.instances)
		for r := s.nextSearch(budget{pages: 100}); r != nil; r = s.nextSearch(budget{pages: 100}) {
			var err error
			if slices.ContainsFunc(r.Instances, func(id string) bool { return slices.Contains(bad, id) }) {
				err = rejected
			}
			s.searched(r, err, true)
		}
	}
	search("a")
	search("c")
	var aside []string
	for _, alone := range s.aside {
		aside = append(aside, alone.instances...)
	}
	assert.Equal(t, []string{"a", "c"}, aside)
	assert.Equal(t, []string{"b", "d"}, s.instances)
}
