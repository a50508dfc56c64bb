package harness

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Blackhole forwards TCP connections to an address until they are cut.
type Blackhole struct {
	// Address is where it listens.
	Address string
	// Connections is how many connections there have been.
	Connections atomic.Int64

	mu     sync.Mutex
	silent *atomic.Bool // shared by the connections since the last cut
}

// NewBlackhole returns a Blackhole in front of an address. It and its connections end with the test.
func NewBlackhole(t testing.TB, address string) *Blackhole {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &Blackhole{Address: listener.Addr().String(), silent: &atomic.Bool{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.Connections.Add(1)
			silent := b.current()
			running.Go(func() { forward(ctx, conn, address, silent) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		cancel()
		running.Wait()
	})
	return b
}

// Cut cuts the connections there are, silently: they stay open, and nothing comes through. New ones work.
func (b *Blackhole) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent.Store(true)
	b.silent = &atomic.Bool{}
}

func (b *Blackhole) current() *atomic.Bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.silent
}
