package main

import (
	"encoding/json"
	"os"
	"strings"
)

// lastProblem returns what the receiver logged last as a warning or an error, with its reason. It is empty if there is none.
func lastProblem(logFile string) (problem string) {
	log, err := os.ReadFile(logFile)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(log)) {
		entry, ok := parseLogLine(line)
		if !ok || entry.level != "warn" && entry.level != "error" || !strings.HasPrefix(entry.caller, "aliyunkafkalagreceiver/") {
			continue
		}
		problem = entry.message
		var fields struct{ Error string }
		if json.Unmarshal([]byte(entry.fields), &fields) == nil && fields.Error != "" {
			problem += ":\n" + fields.Error
		}
	}
	return problem
}

// logEntry is a line of the collector's log.
type logEntry struct {
	time, level, caller, message string
	fields                       string // as JSON; empty if there are none
}

// parseLogLine reports whether a line is one of the collector's log.
func parseLogLine(line string) (logEntry, bool) {
	parts := strings.SplitN(strings.TrimSpace(line), "\t", 5)
	if len(parts) < 4 {
		return logEntry{}, false
	}
	entry := logEntry{time: parts[0], level: parts[1], caller: parts[2], message: parts[3]}
	if len(parts) == 5 {
		entry.fields = parts[4]
	}
	return entry, true
}
