package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseOptions(t *testing.T) {
	for name, tt := range map[string]struct {
		args  []string
		env   map[string]string
		limit time.Duration
		errs  []string
	}{
		"simulation needs no account": {args: []string{"-simulate"}},
		"ladder needs no account":     {args: []string{"-ladder"}},
		"limit":                       {args: []string{"-simulate"}, env: map[string]string{"DEMO_SECONDS": "60"}, limit: time.Minute},
		"zero":                        {args: []string{"-simulate"}, env: map[string]string{"DEMO_SECONDS": "0"}, errs: []string{`DEMO_SECONDS must be`}},
		"no number":                   {args: []string{"-simulate"}, env: map[string]string{"DEMO_SECONDS": "1m"}, errs: []string{`not "1m"`}},
		"account":                     {env: map[string]string{"REGION": "cn-hangzhou"}},
		"the region is missing":       {errs: []string{"REGION is not set"}},
		"everything wrong is named":   {env: map[string]string{"DEMO_SECONDS": "x"}, errs: []string{"REGION", "DEMO_SECONDS"}},
	} {
		t.Run(name, func(t *testing.T) {
			opts, err := parseOptions(tt.args, func(key string) string { return tt.env[key] })
			if tt.errs == nil {
				require.NoError(t, err)
				assert.Equal(t, tt.limit, opts.limit)
				return
			}
			for _, text := range tt.errs {
				require.ErrorContains(t, err, text)
			}
		})
	}
}
