package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

const (
	readHeaderTimeout = 10 * time.Second
	shutdownTimeout   = time.Second
)

// listener is an address and what is served there.
type listener struct {
	net.Listener
	name    string // of the line that tells the URL
	path    string // of the URL
	handler http.Handler
}

// listeners opens the addresses of the flags.
func (o options) listeners(ctx context.Context, sim *cmssim.Server) ([]listener, error) {
	cms, err := o.open(ctx, "-listen", o.listen)
	if err != nil {
		return nil, err
	}
	listeners := []listener{{Listener: cms, name: "cms_url", handler: sim}}
	if o.control == "" {
		return listeners, nil
	}
	control, err := o.open(ctx, "-control", o.control)
	if err != nil {
		return nil, errors.Join(err, cms.Close())
	}
	return append(listeners, listener{Listener: control, name: "control_url", path: "/sim", handler: sim.Control()}), nil
}

// open listens on an address, which has to be a loopback IP unless the flags allow any.
func (o options) open(ctx context.Context, flagName, address string) (net.Listener, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w; it is an IP address and a port, such as 127.0.0.1:0", flagName, address, err)
	}
	if !addr.Addr().IsLoopback() && !o.allowRemote {
		return nil, fmt.Errorf("%s %q: other machines can reach it; use 127.0.0.1, or -allow-remote", flagName, address)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", flagName, address, err)
	}
	return l, nil
}

// serve serves until ctx ends or a listener fails, and then ends every call.
func serve(ctx context.Context, sim *cmssim.Server, listeners []listener) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		server := &http.Server{Handler: l.handler, ReadHeaderTimeout: readHeaderTimeout}
		group.Go(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			sim.Close()
			return shutdown(ctx, server)
		})
	}
	return group.Wait()
}

// shutdown lets calls finish for a moment and then cuts them off.
func shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		return server.Close()
	}
	return nil
}
