// Command demo runs the collector and shows the lag it serves as a live table: of a simulated
// CloudMonitor with -simulate, of the account in the environment without. With -ladder it shows
// what the ladder of the exporter kafkalagremediation would do, on a simulated CloudMonitor and a
// cluster that is only imitated.
//
// It ends with SIGINT or SIGTERM, or after DEMO_SECONDS, and takes the collector with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	// SIGPIPE, too: `make demo | head` has to end the collector.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	opts, err := parseOptions(os.Args[1:], os.Getenv)
	if err == nil {
		err = run(ctx, opts, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	simulate  bool
	ladder    bool
	collector string        // the collector's binary
	config    string        // its configuration
	log       string        // where its log goes
	metrics   string        // where its metrics page goes, if the port is free
	limit     time.Duration // 0: no limit
}

// parseOptions reads flags and environment. Its error names everything that is missing.
func parseOptions(args []string, getenv func(string) string) (options, error) {
	opts := options{metrics: usualAddress}
	flags := flag.NewFlagSet("demo", flag.ExitOnError)
	flags.BoolVar(&opts.simulate, "simulate", false, "simulate CloudMonitor")
	flags.BoolVar(&opts.ladder, "ladder", false, "simulate CloudMonitor, imitate a cluster, and show the ladder of remediation")
	flags.StringVar(&opts.collector, "collector", "dist/otelcol-aliyunkafkalag", "binary of the collector")
	flags.StringVar(&opts.config, "config", "collector-config/demo.yaml", "configuration of the collector")
	flags.StringVar(&opts.log, "log", "dist/demo.log", "file for the collector's log")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}

	opts.simulate = opts.simulate || opts.ladder

	var errs []error
	if text := getenv("DEMO_SECONDS"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil || seconds == 0 {
			errs = append(errs, fmt.Errorf("DEMO_SECONDS must be a whole number of seconds above 0, not %q", text))
		}
		opts.limit = time.Duration(seconds) * time.Second
	}
	if !opts.simulate && getenv("REGION") == "" {
		errs = append(errs, errors.New("REGION is not set: REGION=cn-hangzhou make run (or try `make demo`, which needs no account)"))
	}
	return opts, errors.Join(errs...)
}
