package lag

// Request is a window (Start, End] to ask CloudMonitor for, page by page.
type Request struct {
	Metric    string
	Instances []string // at most Settings.BatchSize; empty asks for every instance of the region
	Names     []Key    // at most Settings.BatchSize; when not empty, only these series are asked for
	Start     int64    // unix milliseconds, exclusive
	End       int64    // unix milliseconds, inclusive

	stream  *stream
	kind    requestKind
	series  []*Series // the series of Names
	planned int       // pages it is expected to have
	limit   int       // pages after which it is abandoned
	pages   int       // pages read
	mark    int       // how many points the stream had gathered before
}

// requestKind is what a request is for.
type requestKind int

const (
	windowRequest requestKind = iota // a part of the window of the stream
	probeRequest                     // a look for newcomers
	namesRequest                     // some series by name
	searchRequest                    // a part of the batch, in search of a bad instance
)

// maxPages bounds the pages of one request, which an endless chain of tokens would not.
const maxPages = 100

// request returns a request for the whole stream.
func (s *stream) request(kind requestKind, start, end int64) *Request {
	return &Request{
		Metric: s.metric, Instances: s.instances, Start: start, End: end,
		stream: s, kind: kind, planned: 1, limit: maxPages, mark: len(s.points),
	}
}

// budget is what a scrape has left for a stream.
type budget struct {
	pages    float64 // how many pages there is time for, by the slowest page of late
	first    bool    // nothing was asked for yet
	noSearch bool    // a search of another stream has shown that it is not single instances that fail
}

// enough reports whether there is time for so many pages. The first request of a scrape is always made, or nothing
// would be read any more after a slow minute.
func (b budget) enough(pages int) bool {
	return b.pages > 0 && (b.first || b.pages >= float64(pages))
}
