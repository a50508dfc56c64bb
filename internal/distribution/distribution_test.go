package distribution

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestConvert(t *testing.T) {
	for name, tt := range map[string]struct {
		exporters map[string]any
		wrong     []string
	}{
		"no password": {exporters: map[string]any{
			"prometheus_remote_write": map[string]any{"http": map[string]any{"endpoint": "https://user@host/api/v1/write"}},
			"otlp_grpc":               map[string]any{"endpoint": "host:4317"},
			"debug":                   nil,
			"address":                 map[string]any{"endpoint": "127.0.0.1:4317"},
			"socket":                  map[string]any{"endpoint": "unix:@collector"},
		}},
		"passwords at any depth": {
			exporters: map[string]any{
				"prometheus_remote_write/a": map[string]any{"http": map[string]any{"endpoint": "https://user:S3cret@host/write"}},
				"otlp_http":                 map[string]any{"metrics_endpoint": "http://:S3cret@host/", "headers": map[string]any{"x": "http://a:S3cret@b"}},
			},
			wrong: []string{"exporters::prometheus_remote_write/a::http::endpoint", "exporters::otlp_http::metrics_endpoint"},
		},
		"passwords in lists": {
			exporters: map[string]any{
				"webhooks":  map[string]any{"webhooks": []any{map[string]any{"url": "https://host/"}, map[string]any{"url": "https://user:S3cret@host/"}}},
				"endpoints": map[string]any{"endpoints": []any{"https://user@host/", "https://user:S3cret@host/"}},
				"nested":    map[string]any{"urls": []any{[]any{"https://user:S3cret@host/"}}, "headers": []any{"http://a:S3cret@b"}},
			},
			wrong: []string{"exporters::webhooks::webhooks::1::url", "exporters::endpoints::endpoints::1", "exporters::nested::urls::0::0"},
		},
		"passwords that are not escaped": {
			exporters: map[string]any{
				"percent": map[string]any{"url": "http://user:S3cret%@host/"},
				"slash":   map[string]any{"url": "http://user:S3cret/S3cret@host/"},
				"hash":    map[string]any{"url": "http://user:S3cret#S3cret@host/"},
				"bare":    map[string]any{"endpoint": "user:S3cret@host:4317"},
				"odd":     map[string]any{"endpoint": "user_1:S3cret@host:4317"},
				"at":      map[string]any{"url": "http://user:S3cret@S3cret@host/"},
			},
			wrong: []string{"exporters::bare::endpoint", "exporters::odd::endpoint", "exporters::percent::url", "exporters::slash::url", "exporters::hash::url", "exporters::at::url"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conf := confmap.NewFromStringMap(map[string]any{"exporters": tt.exporters})
			before := conf.ToStringMap()
			err := NewFactory().Create(confmap.ConverterSettings{}).Convert(t.Context(), conf)
			assert.Equal(t, before, conf.ToStringMap())
			if tt.wrong == nil {
				require.NoError(t, err)
				return
			}
			assert.Len(t, strings.Split(err.Error(), "\n"), len(tt.wrong))
			for _, key := range tt.wrong {
				require.ErrorContains(t, err, key+" contains a password")
			}
			assert.NotContains(t, err.Error(), "S3cret")
			assert.NotContains(t, err.Error(), "::headers")
		})
	}
	require.NoError(t, converter{}.Convert(t.Context(), confmap.New()))
}

// TestFallbackRoots: the second set of fallback roots panics, so there is a first one.
func TestFallbackRoots(t *testing.T) {
	assert.Panics(t, func() { x509.SetFallbackRoots(x509.NewCertPool()) })
}
