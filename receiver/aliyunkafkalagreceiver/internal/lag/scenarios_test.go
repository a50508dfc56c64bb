package lag_test

import (
	"flag"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
)

var (
	seedFlag      = flag.Uint64("seed", 0, "play only the scenario of this seed, and log its calls")
	scenariosFlag = flag.Uint64("scenarios", 10_000, "how many scenarios to play")
	failuresFlag  = flag.Int64("failures", 5, "stop after so many failing scenarios")
)

// TestScenarios plays seeded scenarios. The oracle checks every promise after every scrape.
func TestScenarios(t *testing.T) {
	if *seedFlag != 0 {
		if v := randomScenario(*seedFlag).newRun(t.Logf).play(); v != nil {
			t.Error(v)
		}
		return
	}
	count := *scenariosFlag / slowdown
	if testing.Short() {
		count /= 20
	}
	var seed atomic.Uint64
	var failures atomic.Int64
	for worker := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
			t.Parallel()
			for n := seed.Add(1); n <= count && failures.Load() < *failuresFlag; n = seed.Add(1) {
				if v := randomScenario(n).newRun(quiet).play(); v != nil {
					failures.Add(1)
					t.Errorf("seed %d: %v\nreplay with: go test ./receiver/aliyunkafkalagreceiver/internal/lag -run TestScenarios -v -seed=%d", n, v, n)
				}
			}
		})
	}
}

func quiet(string, ...any) {}
