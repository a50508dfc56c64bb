//go:build race

package lag_test

// slowdown is how many times fewer scenarios are played.
const slowdown = 20 // the race detector makes them about as much slower
