package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// usualAddress is where the exporter's predecessor served its metrics.
	usualAddress = "127.0.0.1:9876"
	// anyAddress is one that is free.
	anyAddress = "127.0.0.1:0"

	// startLimit is more than a busy machine needs to start the collector.
	startLimit = time.Minute
	// stopLimit is how long the collector may take to shut down.
	stopLimit = 10 * time.Second
)

// collector is a running collector.
type collector struct {
	metricsURL string
	healthURL  string
	logFile    string

	cancel context.CancelFunc
	// exited is closed when the process is gone.
	exited chan struct{}
}

// startCollector starts the collector with env added to the environment. It ends with ctx.
func startCollector(ctx context.Context, opts options, env []string) (*collector, error) {
	addresses, err := freeAddresses(ctx, opts.metrics, anyAddress, anyAddress)
	if err != nil {
		return nil, err
	}
	metrics, health, telemetry := addresses[0], addresses[1], addresses[2]
	_, telemetryPort, err := net.SplitHostPort(telemetry)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(opts.log)
	if err != nil {
		return nil, fmt.Errorf("the collector's log: %w", err)
	}
	defer log.Close() // the process has its own handle

	ctx, cancel := context.WithCancel(ctx)
	// Timestamps, since the table shows how old the points are.
	cmd := exec.CommandContext(ctx, filepath.Clean(opts.collector), "--config", opts.config, "--set", "exporters.prometheus.send_timestamps=true")
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env,
		"METRICS_ENDPOINT="+metrics,
		"HEALTH_CHECK_ENDPOINT="+health,
		"TELEMETRY_HOST=127.0.0.1",
		"TELEMETRY_PORT="+telemetryPort,
	)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopLimit
	bindToParent(cmd)
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("the collector does not start: %w", err)
	}

	c := &collector{
		metricsURL: "http://" + metrics + "/metrics",
		healthURL:  "http://" + health,
		logFile:    opts.log,
		cancel:     cancel,
		exited:     make(chan struct{}),
	}
	go func() {
		defer close(c.exited)
		_ = cmd.Wait() // how it went is in the log
	}()
	return c, nil
}

// freeAddresses returns an address to listen on for each that is wanted: the wanted one if
// it is free, else one with another port.
func freeAddresses(ctx context.Context, wanted ...string) ([]string, error) {
	var config net.ListenConfig
	addresses := make([]string, len(wanted))
	for i, address := range wanted {
		listener, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			listener, err = config.Listen(ctx, "tcp", anyAddress)
		}
		if err != nil {
			return nil, err
		}
		// Not before all are found, or the same one is found again.
		defer listener.Close()
		addresses[i] = listener.Addr().String()
	}
	return addresses, nil
}

// waitHealthy returns when the collector's pipelines run, or when ctx ends.
func (c *collector) waitHealthy(ctx context.Context) error {
	deadline := time.After(startLimit)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !answersOK(ctx, c.healthURL) {
		select {
		case <-ctx.Done():
			return nil
		case <-c.exited:
			return c.failure(ctx)
		case <-deadline:
			return fmt.Errorf("the collector is not healthy after %s, see %s", startLimit, c.logFile)
		case <-ticker.C:
		}
	}
	return nil
}

func answersOK(ctx context.Context, url string) bool {
	resp, err := get(ctx, url)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// failure is the error of a collector that exited, with the end of its log; nil if it was
// told to.
func (c *collector) failure(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	const shown = 15
	log, err := os.ReadFile(c.logFile)
	if err != nil {
		return fmt.Errorf("the collector stopped, and its log cannot be read: %w", err)
	}
	lines := strings.Split(string(bytes.TrimSpace(log)), "\n")
	return fmt.Errorf("the collector stopped; the last lines of %s:\n%s",
		c.logFile, strings.Join(lines[max(0, len(lines)-shown):], "\n"))
}

// stop ends the collector and waits until it is gone.
func (c *collector) stop() {
	c.cancel()
	<-c.exited
}
