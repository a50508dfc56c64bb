package lag

// Request is a window (Start, End] to ask CloudMonitor for, page by page.
type Request struct {
	Metric    string
	Instances []string // at most Settings.BatchSize; empty asks for every instance of the region
	Names     []Key    // at most Settings.BatchSize; when not empty, only these series are asked for
	Start     int64    // unix milliseconds, exclusive
	End       int64    // unix milliseconds, inclusive

	stream  *stream
	step    step
	asked   []*Series // the series of Names
	planned int       // pages it is expected to have
	pages   int       // pages read
	limit   int       // pages after which the request is given up and cut
	mark    int       // how many points the stream had gathered before
}

// maxPages bounds the pages of one request, which an endless chain of tokens would not.
const maxPages = 100

// budget is what a scrape has left.
type budget struct {
	pages float64 // how many pages there is time for
	first bool    // nothing was begun yet
}

// enough reports whether there is time for so many pages. The first request of a scrape is always begun, or a slow
// minute would never end.
func (b budget) enough(pages int) bool {
	return b.pages > 0 && (b.first || b.pages >= float64(pages))
}
