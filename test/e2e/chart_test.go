package e2e

import (
	"image/color"
	"os"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// chartFile is where the chart of the rush hour goes. The README shows a copy of it.
func chartFile() string { return filepath.Join(harness.Root(), "dist", "scaling.svg") }

// rushHour plays a rush hour with the steps policy and draws what happened.
func (r *rig) rushHour() {
	r.t.Helper()
	const group, name = "rush_hour", "rush-hour"
	hour := []struct {
		lag  float64
		want int
	}{{20_000, 2}, {70_000, 2}, {115_000, 3}, {165_000, 4}, {220_000, 5}, {165_000, 5}, {115_000, 5}, {80_000, 5}, {40_000, 2}, {10_000, 2}}
	r.lags.set(instance, group, hour[0].lag)
	c := consumer{name: name, instance: instance, group: group, replicas: 2, hpa: "steps.yaml"}
	r.run(c)
	defer r.remove(c)
	r.awaitMetrics([]consumer{c})

	var lag, desired, actual plotter.XYs
	began := time.Now()
	for _, stage := range hour {
		r.lags.set(instance, group, stage.lag)
		stop := time.Now().Add(8 * time.Second)
		for time.Now().Before(stop) {
			x := time.Since(began).Seconds()
			selector := `{instance_id="` + instance + `",consumer_group="` + group + `"}`
			lag = append(lag, plotter.XY{X: x, Y: r.prometheus.Scalar("kafka_consumer_message_accumulation"+selector) / 1000})
			desired = append(desired, plotter.XY{X: x, Y: r.prometheus.Scalar("kafka_consumer_desired_replicas" + selector)})
			actual = append(actual, plotter.XY{X: x, Y: float64(r.replicas()[name].status)})
		}
		require.Equal(r.t, stage.want, r.replicas()[name].status, "at a lag of %.0f", stage.lag)
	}
	drawChart(r, lag, desired, actual)
	r.lags.clear()
}

func drawChart(r *rig, lag, desired, actual plotter.XYs) {
	r.t.Helper()
	above := plot.New()
	above.Title.Text = "A rush hour with the policy “steps”"
	above.Y.Label.Text = "lag (1,000 messages)"
	above.Y.Min = 0
	addLine(r, above, lag, 0)
	addThresholds(r, above)

	below := plot.New()
	below.X.Label.Text = "time (s), quickened: without the waiting times of the autoscaler"
	below.Y.Label.Text = "replicas"
	below.Y.Min, below.Y.Max = 1, 6
	below.Legend.Top, below.Legend.Left = true, true
	wide := addLine(r, below, desired, 2)
	wide.Width, wide.Color = vg.Points(5), color.RGBA{R: 160, G: 200, B: 255, A: 255}
	below.Legend.Add("desired (recording rule)", wide)
	below.Legend.Add("actual (Deployment)", addLine(r, below, actual, 0))

	for _, p := range []*plot.Plot{above, below} {
		p.X.Min, p.X.Max = 0, lag[len(lag)-1].X
	}
	canvas := vgsvg.New(18*vg.Centimeter, 12*vg.Centimeter)
	dc := draw.New(canvas)
	dc.SetColor(color.White) // readable on a dark page, too
	dc.Fill(dc.Path())
	rows := plot.Align([][]*plot.Plot{{above}, {below}}, draw.Tiles{Rows: 2, Cols: 1, PadY: 4 * vg.Millimeter, PadTop: 2 * vg.Millimeter, PadRight: 4 * vg.Millimeter}, dc)
	above.Draw(rows[0][0])
	below.Draw(rows[1][0])

	require.NoError(r.t, os.MkdirAll(filepath.Dir(chartFile()), 0o750))
	file, err := os.Create(chartFile())
	require.NoError(r.t, err)
	_, err = canvas.WriteTo(file)
	require.NoError(r.t, err)
	require.NoError(r.t, file.Close())
}

// addThresholds draws the thresholds of the policy, each with what happens there.
func addThresholds(r *rig, p *plot.Plot) {
	r.t.Helper()
	var labels plotter.XYLabels
	for threshold, text := range map[float64]string{50: "under 50,000: 2", 100: "over 100,000: 3", 150: "over 150,000: 4", 200: "over 200,000: 5"} {
		f := plotter.NewFunction(func(float64) float64 { return threshold })
		f.Color = color.Gray{Y: 130}
		f.Dashes = plotutil.Dashes(1)
		p.Add(f)
		labels.XYs = append(labels.XYs, plotter.XY{X: 0, Y: threshold + 3})
		labels.Labels = append(labels.Labels, text)
	}
	added, err := plotter.NewLabels(labels)
	require.NoError(r.t, err)
	p.Add(added)
}

func addLine(r *rig, p *plot.Plot, points plotter.XYs, style int) *plotter.Line {
	r.t.Helper()
	line, err := plotter.NewLine(points)
	require.NoError(r.t, err)
	line.Color = plotutil.Color(style)
	line.Width = vg.Points(1.5)
	line.StepStyle = plotter.PostStep
	p.Add(line)
	return line
}
