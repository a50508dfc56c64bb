package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

const refresh = 3 * time.Second

// run shows the table until ctx ends, the limit is reached, or the collector dies, which is
// an error.
func run(ctx context.Context, opts options, out *os.File) error {
	if opts.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opts.limit)
		defer cancel()
	}
	err := watch(ctx, opts, out)
	if ctx.Err() != nil { // the end was asked for, whatever it interrupted
		return nil
	}
	return err
}

func watch(ctx context.Context, opts options, out *os.File) error {
	var env []string
	if opts.simulate {
		sim, err := startSimulator(ctx)
		if err != nil {
			return err
		}
		defer sim.stop()
		env = sim.env()
		fmt.Fprintf(out, "CloudMonitor, simulated: %s\n", sim.url)
	}

	col, err := startCollector(ctx, opts, env)
	if err != nil {
		return err
	}
	defer col.stop()
	fmt.Fprintf(out, "Log of the collector:    %s\n", opts.log)
	if err := col.waitHealthy(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	return show(ctx, col, newScreen(out, col))
}

// show refreshes the screen until ctx ends or the collector dies.
func show(ctx context.Context, col *collector, screen *screen) error {
	ticker := time.NewTicker(refresh)
	defer ticker.Stop()
	for {
		rows, err := fetch(ctx, col.metricsURL)
		if ctx.Err() != nil {
			return nil
		}
		screen.draw(rows, err, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-col.exited:
			return col.failure(ctx)
		case <-ticker.C:
		}
	}
}

// screen is where the table goes. A terminal is redrawn, anything else grows.
type screen struct {
	out        io.Writer
	terminal   bool
	metricsURL string
	logFile    string
	trends     trends
}

func newScreen(out *os.File, col *collector) *screen {
	info, err := out.Stat()
	return &screen{
		out:        out,
		terminal:   err == nil && info.Mode()&os.ModeCharDevice != 0,
		metricsURL: col.metricsURL,
		logFile:    col.logFile,
		trends:     trends{},
	}
}

// draw shows the rows, or why there are none.
func (s *screen) draw(rows []row, err error, now time.Time) {
	const clearScreen = "\x1b[H\x1b[2J"
	text := fmt.Sprintf("\n%s  Kafka consumer lag  %s\n\n", now.Format(time.TimeOnly), s.metricsURL)
	switch {
	case err != nil:
		text += fmt.Sprintf("The metrics page cannot be read: %v\n", err)
	case len(rows) == 0:
		text += "No points yet.\n"
		if problem := lastProblem(s.logFile); problem != "" {
			text += "\n" + problem + "\n"
		}
		text += fmt.Sprintf("\nLog of the collector: %s\n", s.logFile)
	default:
		s.trends.update(rows)
		text += table(rows, s.trends, now, s.terminal && os.Getenv("NO_COLOR") == "")
	}
	if s.terminal {
		text = clearScreen + text + fmt.Sprintf("\nCtrl-C ends it. Log: %s\n", s.logFile)
	}
	fmt.Fprint(s.out, text)
}
