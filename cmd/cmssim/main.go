// Command cmssim serves a simulated CloudMonitor: DescribeMetricList of the Kafka consumer lag metrics, over plain HTTP.
//
// It prints one line for each listener on standard output, which a shell can evaluate:
//
//	cms_url=http://127.0.0.1:40001
//	control_url=http://127.0.0.1:40002/sim
//
// It runs until SIGINT or SIGTERM and then exits with code 0.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

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

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if o.cms.Scenario, err = cmssim.LoadScenario(o.scenario); err != nil {
		return fmt.Errorf("-scenario: %w", err)
	}
	sim, err := cmssim.New(o.cms)
	if err != nil {
		return err
	}
	listeners, err := o.listeners(ctx, sim)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if _, err := fmt.Fprintf(stdout, "%s=http://%s%s\n", l.name, l.Addr(), l.path); err != nil {
			return err
		}
	}
	return serve(ctx, sim, listeners)
}

// options are what the flags say.
type options struct {
	listen, control string
	allowRemote     bool
	scenario        string
	cms             cmssim.Options
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("cmssim", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` of CloudMonitor's API")
	f.StringVar(&o.control, "control", "127.0.0.1:0", "`address` of the control API; empty for none")
	f.BoolVar(&o.allowRemote, "allow-remote", false,
		"allow addresses that other machines can reach, although nothing is encrypted and the control API asks for no key")
	f.StringVar(&o.scenario, "scenario", "rush-hour",
		"YAML `file`, or one of: "+strings.Join(cmssim.BuiltinScenarios(), ", "))
	f.StringVar(&o.cms.AccessKeyID, "access-key-id", cmssim.DefaultAccessKeyID, "the AccessKey `ID` that is accepted")
	f.StringVar(&o.cms.AccessKeySecret, "access-key-secret", cmssim.DefaultAccessKeySecret, "its `secret`, an invented one")
	f.StringVar(&o.cms.SecurityToken, "security-token", "", "a security `token` that every request has to carry; empty for none")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("argument %q is not understood, there are only flags", f.Arg(0))
	}
	return o, nil
}
