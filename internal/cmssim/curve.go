package cmssim

import "math"

// curve is lag over time.
type curve struct {
	points []LagAt
	repeat bool
}

// at returns the lag, in whole messages, at a time in milliseconds since the scenario's start.
func (c curve) at(ms int64) float64 {
	last := len(c.points) - 1
	if cycle := c.points[last].At.Milliseconds(); c.repeat && ms > 0 {
		ms %= cycle
	}
	for i, p := range c.points {
		switch at := p.At.Milliseconds(); {
		case ms > at:
			continue
		case i == 0 || ms == at:
			return math.Round(p.Lag)
		default:
			before := c.points[i-1]
			part := float64(ms-before.At.Milliseconds()) / float64(at-before.At.Milliseconds())
			return math.Round(before.Lag + part*(p.Lag-before.Lag))
		}
	}
	return math.Round(c.points[last].Lag)
}
