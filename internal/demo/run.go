package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

const refresh = 3 * time.Second

// run shows the table until ctx ends, the limit is reached, or the collector dies, which is
// an error. So is an attempt to change the imitated cluster.
func run(ctx context.Context, opts options, out *os.File) error {
	if opts.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opts.limit)
		defer cancel()
	}
	if opts.ladder {
		return runLadder(ctx, opts, out)
	}
	return watched(ctx, watch(ctx, opts, nil, nil, out))
}

// watched returns the error of watch. There is none if the end was asked for, whatever it interrupted.
func watched(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// runLadder is run with a cluster, and sums up at the end.
func runLadder(ctx context.Context, opts options, out *os.File) error {
	kube, err := startCluster(ctx)
	if err != nil {
		return watched(ctx, err)
	}
	defer kube.stop()
	err = watched(ctx, watch(ctx, opts, kube.env(), kube.written, out))
	if err := errors.Join(err, kube.failure()); err != nil {
		return err
	}
	var groups []string
	for _, c := range consumers {
		groups = append(groups, c.group)
	}
	fmt.Fprint(out, summary(groups, readDecisions(opts.log)))
	return nil
}

// watch shows the table of a collector with env in its environment until ctx ends, the collector dies, or abort is closed.
func watch(ctx context.Context, opts options, env []string, abort <-chan struct{}, out *os.File) error {
	if opts.simulate {
		sc, err := scenario(opts)
		if err != nil {
			return err
		}
		sim, err := startSimulator(ctx, sc)
		if err != nil {
			return err
		}
		defer sim.stop()
		env = append(env, sim.env()...)
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
	screen := newScreen(out, col)
	screen.ladder = opts.ladder
	return show(ctx, col, screen, abort)
}

func scenario(opts options) (cmssim.Scenario, error) {
	if opts.ladder {
		return ladderStory(), nil
	}
	return cmssim.LoadScenario(cmssim.RushHour)
}

// show refreshes the screen until ctx ends, the collector dies, or abort is closed.
func show(ctx context.Context, col *collector, screen *screen, abort <-chan struct{}) error {
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
		case <-abort:
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
	ladder     bool // show what the ladder decides
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
		text += s.table(rows, now)
	}
	if s.terminal {
		text = clearScreen + text + fmt.Sprintf("\nCtrl-C ends it. Log: %s\n", s.logFile)
	}
	fmt.Fprint(s.out, text)
}

func (s *screen) table(rows []row, now time.Time) string {
	colours := s.terminal && os.Getenv("NO_COLOR") == ""
	if s.ladder {
		return ladderTable(rows, s.trends, readDecisions(s.logFile), now, colours)
	}
	return table(rows, s.trends, now, colours)
}
