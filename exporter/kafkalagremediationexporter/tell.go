package kafkalagremediationexporter

import (
	"context"
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// eventScheme is not asked for anything: Events are about references.
var eventScheme = runtime.NewScheme()

// wording is how a decision reads in Events, whose reason is one word, and in the log.
var wording = map[ladder.Reason]struct {
	event, text string
	warning     bool
}{
	ladder.Off:         {"LadderOff", "it is left alone", false},
	ladder.Doubt:       {"LadderDoubt", "its record cannot be trusted, so nothing is done for 6 hours", true},
	ladder.NoData:      {"LadderNoData", "its lag is unknown, so nothing is done", true},
	ladder.Below:       {"LadderEnded", "the lag is below the threshold again; nothing had been done", false},
	ladder.Recovered:   {"LadderRecovered", "the lag is below the threshold again", false},
	ladder.Draining:    {"LadderDraining", "the lag will be gone before the next check", false},
	ladder.Braked:      {"LadderBraked", "nothing is done", true},
	ladder.Reverted:    {"LadderReverted", "what was raised was changed from outside, so it is not raised again; if a GitOps tool does it, let it ignore that field", true},
	ladder.CoolingDown: {"LadderCoolingDown", "nothing is done yet", false},
	ladder.Unsettled:   {"LadderPostponed", "the stage is postponed to the next check", false},
	ladder.NoRoom:      {"LadderNoRoom", "the replicas cannot be raised", true},
	ladder.Warned:      {"LadderWarned", "people are warned", true},
	ladder.Exhausted:   {"LadderExhausted", "all stages are done, and the lag is still high", true},
}

// opinions are how the opinion of AliKafka reads in Events and in the log.
var opinions = map[ladder.Opinion]string{
	ladder.Stuck:      "; offsets do not move",
	ladder.Slow:       "; offsets move, so a restart would not help",
	ladder.Unanswered: "; AliKafka gave no answer, so the lag alone decides",
}

// tell writes a decision to the metrics, and, if there is anything to say, to the log and to an Event on the target.
func (r *runner) tell(ctx context.Context, t cluster.Target, o *cluster.Observed, s ladder.Situation, d ladder.Decision) {
	if d.Reason == ladder.NotDue || d.Reason == ladder.NoNewPoint || d.Reason == ladder.Confirming {
		return
	}
	r.telemetry.decided(ctx, t, d, r.cfg.DryRun)
	silent := d.Verb == ladder.Nothing && (d.Reason == ladder.Below || d.Reason == ladder.NoData || d.Reason == ladder.Off && !r.settings.Breaches(s.Lags, s.Now))
	if silent {
		return
	}
	event, text, warning := describe(d, s.Scale, r.cfg.DryRun)
	text += opinions[s.Opinion]
	fields := []zap.Field{zap.Stringer("target", t), zap.String("reason", string(d.Reason)), zap.Bool("dry_run", r.cfg.DryRun)}
	lag := ""
	if worst := s.Worst(); worst != nil {
		fields = append(fields, zap.String("group", worst.Group), zap.Float64("lag", worst.Value))
		lag = fmt.Sprintf("lag %.0f of %s: ", worst.Value, worst.Group)
	}
	if s.Opinion != ladder.Unasked {
		fields = append(fields, zap.String("opinion", string(s.Opinion)))
	}
	if d.Verb != ladder.Nothing {
		fields = append(fields, zap.Int("stage", d.Record.Stage), zap.Int("stages", len(r.settings.Stages)))
	}
	level := zapcore.InfoLevel
	if warning {
		level = zapcore.WarnLevel
	}
	r.logger.Log(level, capital(text), fields...)
	if !r.cfg.DryRun {
		kind := corev1.EventTypeNormal
		if warning {
			kind = corev1.EventTypeWarning
		}
		r.events.Event(o.Reference(), kind, event, lag+text)
	}
}

// describe returns how a decision reads.
func describe(d ladder.Decision, scale *ladder.Scale, dryRun bool) (event, text string, warning bool) {
	did := "was"
	if dryRun {
		did = "would be"
	}
	what := "replicas"
	if scale != nil && scale.Autoscaler {
		what = "minimum of the autoscaler"
	}
	switch d.Verb {
	case ladder.RestartNow:
		return "LadderRestarted", "the pods " + plural(did) + " restarted", false
	case ladder.SetScale:
		return "LadderScaledUp", fmt.Sprintf("the %s %s raised from %d to %d", what, number(did, what), scale.Value, d.Scale), false
	case ladder.RestoreScale:
		if d.Scale == scale.Value {
			return "LadderRecovered", "the lag is below the threshold again; what was raised was changed from outside, and stays as it is", false
		}
		return "LadderRecovered", fmt.Sprintf("the lag is below the threshold again, and the %s %s put back from %d to %d", what, number(did, what), scale.Value, d.Scale), false
	}
	w := wording[d.Reason]
	text = w.text
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	return w.event, text, w.warning
}

func number(did, what string) string {
	if what == "replicas" {
		return plural(did)
	}
	return did
}

func plural(did string) string {
	if did == "was" {
		return "were"
	}
	return did
}

func capital(text string) string { return string(text[0]-'a'+'A') + text[1:] }
