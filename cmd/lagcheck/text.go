package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver"
)

// text is the report for a person.
func text(reports []*aliyunkafkalagreceiver.Report) string {
	var b strings.Builder
	for _, r := range reports {
		fmt.Fprintf(&b, "%s\n", r.Receiver)
		fmt.Fprintf(&b, "  CloudMonitor   %s\n", r.Endpoint)
		fmt.Fprintf(&b, "  credentials    %s\n", r.Credentials)
		fmt.Fprintf(&b, "  calls a month  %d at least, of %d that are free for the whole account\n", r.ProjectedCalls, r.FreeQuota)
		for _, f := range r.Failures {
			fmt.Fprintf(&b, "  FAILED         %s: %s\n", f.What, f.Error)
			if f.Action != "" {
				fmt.Fprintf(&b, "                 the RAM action %s is missing\n", f.Action)
			}
		}
		for _, instance := range r.Silent {
			fmt.Fprintf(&b, "  NO LAG         of instance %s: check the ID, consumer_groups, and that its consumers commit offsets\n", instance)
		}
		if len(r.Groups)+r.ExcludedGroups+len(r.Failures)+len(r.Silent) == 0 {
			b.WriteString("  NO LAG         of any instance: check the region, and that consumers commit offsets\n")
		}
		fmt.Fprintf(&b, "  groups         %d", len(r.Groups))
		if r.ExcludedGroups > 0 {
			fmt.Fprintf(&b, ", and %d that consumer_groups leaves out", r.ExcludedGroups)
		}
		b.WriteString("\n")
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for i, g := range r.Groups {
			if i == 0 {
				fmt.Fprint(table, "\n    CONSUMER GROUP\tINSTANCE\tLAG\tAGE\n")
			}
			fmt.Fprintf(table, "    %s\t%s\t%.0f\t%s\n", strings.TrimSpace(g.ConsumerGroup+" "+g.Topic), g.InstanceID, g.Lag, time.Duration(g.AgeSeconds)*time.Second)
		}
		_ = table.Flush() // into memory
		b.WriteString(verdict(r))
	}
	return b.String()
}

func verdict(r *aliyunkafkalagreceiver.Report) string {
	switch {
	case r.OK:
		return "\nIt will work: a current point was read.\n"
	case len(r.Groups) > 0:
		return "\nIt will work in part: what is marked FAILED was not read.\n"
	default:
		return "\nIt will not work yet: no current point was read.\n"
	}
}
