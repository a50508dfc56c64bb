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
		// time, level, caller, message and fields as JSON
		parts := strings.SplitN(strings.TrimSpace(line), "\t", 5)
		if len(parts) < 4 || parts[1] != "warn" && parts[1] != "error" || !strings.HasPrefix(parts[2], "aliyunkafkalagreceiver/") {
			continue
		}
		problem = parts[3]
		var fields struct{ Error string }
		if len(parts) == 5 && json.Unmarshal([]byte(parts[4]), &fields) == nil && fields.Error != "" {
			problem += ":\n" + fields.Error
		}
	}
	return problem
}
