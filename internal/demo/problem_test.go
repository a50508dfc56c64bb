package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLastProblem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	assert.Empty(t, lastProblem(file))
	for _, step := range []struct{ line, want string }{
		{"2026-01-01T00:00:00Z\tinfo\taliyunkafkalagreceiver/health.go:1\tReading\t{}", ""},
		{"2026-01-01T00:00:00Z\terror\texporter/exporter.go:1\tnot the receiver\t{}", ""},
		{"2026-01-01T00:00:00Z\twarn\taliyunkafkalagreceiver/health.go:1\tno current point", "no current point"},
		{"2026-01-01T00:00:00Z\terror\taliyunkafkalagreceiver/health.go:1\tReading fails\t{\"error\": \"forbidden: grant it\"}", "Reading fails:\nforbidden: grant it"},
		{"no log line", "Reading fails:\nforbidden: grant it"},
	} {
		log, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = log.WriteString(step.line + "\n")
		require.NoError(t, err)
		require.NoError(t, log.Close())
		assert.Equal(t, step.want, lastProblem(file))
	}
}
