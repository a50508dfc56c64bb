// Command cmssim serves a simulated CloudMonitor on loopback: DescribeMetricList of the Kafka consumer lag metrics, STS,
// and GetConsumerProgress of AliKafka.
//
// It prints one line for each address on standard output, which a shell can evaluate:
//
//	cms_url=http://127.0.0.1:40001
//	control_url=http://127.0.0.1:40002/sim
//
// The accepted AccessKey is testid with the secret testsecret. It runs until SIGINT or SIGTERM and then exits with code 0.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cmssim:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or a listener fails.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("cmssim", flag.ContinueOnError)
	f.SetOutput(stderr)
	address := f.String("listen", "127.0.0.1:0", "loopback `address` of CloudMonitor's API and of STS")
	control := f.String("control", "127.0.0.1:0", "loopback `address` of the control API")
	name := f.String("scenario", cmssim.RushHour, "YAML `file`, or "+cmssim.RushHour)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: there are only flags", f.Arg(0))
	}
	scenario, err := cmssim.LoadScenario(*name)
	if err != nil {
		return fmt.Errorf("-scenario: %w", err)
	}
	sim, err := cmssim.New(cmssim.Options{Scenario: scenario})
	if err != nil {
		return fmt.Errorf("-scenario %s: %w", *name, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range []endpoint{
		{"-listen", *address, sim, "cms_url=http://%s\n"},
		{"-control", *control, sim.Control(), "control_url=http://%s/sim\n"},
	} {
		listener, err := e.open(ctx)
		if err != nil {
			group.Go(func() error { return err }) // ends what has been started
			break
		}
		serve(ctx, group, listener, e.handler)
		fmt.Fprintf(stdout, e.line, listener.Addr())
	}
	return group.Wait()
}

// endpoint is what is served on the address of a flag.
type endpoint struct {
	flag, address string
	handler       http.Handler
	line          string // format of the line that is printed
}

// open listens on the address. Nothing is encrypted and the control API asks for no key, so it has to be a loopback address.
func (e endpoint) open(ctx context.Context) (net.Listener, error) {
	parsed, err := netip.ParseAddrPort(e.address)
	if err != nil || !parsed.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s %q: it is a loopback IP address and a port, such as 127.0.0.1:0", e.flag, e.address)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", e.address)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", e.flag, e.address, err)
	}
	return listener, nil
}

// serve serves until ctx ends, and then closes the connections.
func serve(ctx context.Context, group *errgroup.Group, listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
}
