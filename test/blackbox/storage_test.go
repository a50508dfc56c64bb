package blackbox

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestUnusableStorage: a record that cannot be used is set aside, a file is left alone; both are reported, and the collector
// starts as it does without storage.
func TestUnusableStorage(t *testing.T) {
	t.Parallel()
	replace := func(old, replacement string) func([]byte) []byte {
		return func(file []byte) []byte { return bytes.ReplaceAll(file, []byte(old), []byte(replacement)) }
	}
	tests := []struct {
		name    string
		spoil   func(file []byte) []byte
		keys    string
		logged  []string
		emitted float64
	}{
		{"intact", replace("", ""), "", []string{"info", "Continuing from the stored watermarks"}, 2},
		{"corrupt file", func(file []byte) []byte { return bytes.Repeat([]byte("x"), len(file)) }, "", []string{"error", "Cannot open the storage", "invalid database"}, 1},
		{"short file", func(file []byte) []byte { return file[:100] }, "", []string{"error", "Cannot open the storage"}, 1},
		{"not JSON", replace(`{"version"`, `?"version"`), "", []string{"error", "set aside", "not a record of watermarks"}, 1},
		{"other version", replace(`"version":1,`, `"version":9,`), "", []string{"error", "set aside", "version 9, expected 1"}, 1},
		{"other period", replace(`"period":"15s"`, `"period":"60s"`), "", []string{"error", "set aside", "period 60s, expected 15s"}, 1},
		{"before 1970", replace(`"Timestamp":1`, `"Timestamp":-`), "", []string{"error", "set aside", "before 1970"}, 1},
		{"in the future", replace(`"Timestamp":1`, `"Timestamp":9`), "", []string{"error", "set aside", "lies in the future"}, 1},
		{"other region", replace("", ""), "    region: cn-beijing\n", []string{"error", "set aside", "cn-hangzhou"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			cms := harness.StartCMS(t, cmssim.Scenario{})
			first := time.Now().Add(-2 * time.Minute)
			cms.Publish("i", "orders", first, 1)
			run := func(keys string) *harness.Page {
				return harness.StartPage(t, cms, harness.Once+keys+harness.FileStorage(folder))
			}
			c := run("")
			c.AwaitValue("i", "orders", 1)
			c.Stop()

			spoil(t, folder, tt.spoil)
			cms.Publish("i", "orders", first.Add(15*time.Second), 2)
			cms.Publish("i", "orders", first.Add(30*time.Second), 3)
			c = run(tt.keys)
			c.AwaitValue("i", "orders", 3)
			c.AwaitScrapes(1)
			assert.Equal(t, 1, c.CountLog(tt.logged...), c.Log())
			assert.InDelta(t, tt.emitted, c.Telemetry("points_emitted"), 0)
		})
	}
}

// spoil changes the files of a folder.
func spoil(t *testing.T, folder string, change func([]byte) []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, change(data), 0o600))
	}
}

// TestMissingStorage: an extension that is not there ends the start, with what to do.
func TestMissingStorage(t *testing.T) {
	t.Parallel()
	code, output := harness.Run(t, []string{
		"REGION=cn-hangzhou", "ALIBABA_CLOUD_ACCESS_KEY_ID=a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=b",
		"HEALTH_CHECK_ENDPOINT=127.0.0.1:0", "METRICS_ENDPOINT=127.0.0.1:0", "TELEMETRY_HOST=127.0.0.1", "TELEMETRY_PORT=0",
	}, "--config="+harness.Config("prometheus-scrape.yaml"), "--config=yaml:receivers: {aliyunkafkalag: {storage: file_storage}}")
	assert.NotZero(t, code)
	assert.Contains(t, output, `storage: extension "file_storage" is not configured; add it to extensions and to service::extensions`)
}
