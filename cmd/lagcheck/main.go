// Command lagcheck answers whether a configuration of the collector will work: it makes one scrape as the receiver would,
// and shows the credentials, the groups with their lag, and the projected calls. It delivers nothing.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	_ "golang.org/x/crypto/x509roots/fallback" // the image has no root certificates

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver"
)

const usage = `lagcheck makes one scrape as the receiver aliyunkafkalag would, and shows what it found.

  lagcheck --config collector-config/prometheus-remote-write.yaml
  REGION=cn-hangzhou lagcheck

Without --config the environment decides: REGION, KAFKA_INSTANCES and the credentials.

Exit code: 0 if every receiver read a current point and nothing failed, 1 if not, 2 if the configuration is wrong.

`

// The exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// configs are the values of --config, which may be given several times, as to the collector.
type configs []string

func (c *configs) String() string { return fmt.Sprint(*c) }

func (c *configs) Set(value string) error {
	*c = append(*c, value)
	return nil
}

func run(ctx context.Context, args []string, out, problems io.Writer) int {
	var files configs
	flags := flag.NewFlagSet("lagcheck", flag.ContinueOnError)
	flags.SetOutput(problems)
	flags.Usage = func() { fmt.Fprint(problems, usage); flags.PrintDefaults() }
	flags.Var(&files, "config", "configuration of the collector; may be given several times")
	output := flags.String("output", "text", "text or json")
	timeout := flags.Duration("timeout", time.Minute, "limit of the whole check")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case flags.NArg() > 0 || *output != "text" && *output != "json":
		flags.Usage()
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	reports, err := check(ctx, files)
	if err != nil {
		fmt.Fprintln(problems, err)
		return exitUsage
	}
	if *output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(reports)
	} else {
		_, err = io.WriteString(out, text(reports))
	}
	if err != nil {
		return exitFailed
	}
	for _, r := range reports {
		if !r.OK {
			return exitFailed
		}
	}
	return exitOK
}

// check checks every receiver of the configuration.
func check(ctx context.Context, files []string) ([]*aliyunkafkalagreceiver.Report, error) {
	receivers, err := load(ctx, files)
	if err != nil {
		return nil, err
	}
	var reports []*aliyunkafkalagreceiver.Report
	for _, r := range receivers {
		report, err := aliyunkafkalagreceiver.Check(ctx, r.config, receiver.Settings{
			ID: r.id, BuildInfo: component.BuildInfo{Command: "lagcheck", Version: "0"},
			TelemetrySettings: component.TelemetrySettings{
				Logger: zap.NewNop(), MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider(),
			},
		}, noExtensions{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.id, err)
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// noExtensions is a host for a receiver that is only checked.
type noExtensions struct{}

func (noExtensions) GetExtensions() map[component.ID]component.Component { return nil }
