package lag

// maxRemembered bounds the memory of groups that come and go.
const maxRemembered = 1 << 16

// groupFilter remembers which consumer groups are wanted: patterns are slow.
type groupFilter struct {
	wanted     func(group string) bool
	remembered map[string]bool
}

func (f *groupFilter) match(group string) bool {
	wanted, known := f.remembered[group]
	if known {
		return wanted
	}
	if len(f.remembered) >= maxRemembered || f.remembered == nil {
		f.remembered = map[string]bool{}
	}
	wanted = f.wanted(group)
	f.remembered[group] = wanted
	return wanted
}
