package lag

// groupFilter remembers which consumer groups are wanted: patterns are slow.
type groupFilter struct {
	wanted     func(group string) bool
	remembered map[string]bool
}

// match reports whether a group is wanted. groups is about how many there are, and bounds the memory of those that come
// and go.
func (f *groupFilter) match(group string, groups float64) bool {
	if wanted, known := f.remembered[group]; known {
		return wanted
	}
	if f.remembered == nil || len(f.remembered) >= 1024+2*int(groups) {
		f.remembered = map[string]bool{}
	}
	wanted := f.wanted(group)
	f.remembered[group] = wanted
	return wanted
}
