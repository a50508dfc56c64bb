package harness

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// forward copies between a client and an address until one of them closes the connection or ctx ends. While silent is set,
// what they send and that they close is kept from the other, as by a network that dropped the connection.
func forward(ctx context.Context, client net.Conn, address string, silent *atomic.Bool) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer stop()
	var copies sync.WaitGroup
	copies.Go(func() { copyUnlessSilent(server, client, silent) })
	copies.Go(func() { copyUnlessSilent(client, server, silent) })
	copies.Wait()
}

func copyUnlessSilent(to, from net.Conn, silent *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if silent.Load() {
			n = 0
		}
		if n > 0 {
			_, _ = to.Write(buffer[:n]) // if it fails, the other copy ends, too
		}
		if err != nil {
			if !silent.Load() {
				_ = to.Close()
			}
			return
		}
	}
}
