//go:build !race

package lag_test

// slowdown is how many times fewer scenarios are played.
const slowdown = 1
