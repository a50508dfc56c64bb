// Package operatorrules keeps the PrometheusRules in deploy/prometheus-operator the same as the rules in deploy/prometheus.
package operatorrules

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the files instead of comparing them")

const (
	rules    = "../../deploy/prometheus/"
	operator = "../../deploy/prometheus-operator/"
)

// TestPrometheusRules fails if a file is not what the plain rules make of it. Write them with
//
//	go test ./internal/operatorrules -update
func TestPrometheusRules(t *testing.T) {
	files, err := filepath.Glob(rules + "*.rules.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	kustomization, err := os.ReadFile(operator + "kustomization.yaml")
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".rules.yaml")
		assert.Contains(t, string(kustomization), "- "+name+".yaml")
		want := prometheusRule(t, file, name)
		if *update {
			require.NoError(t, os.WriteFile(operator+name+".yaml", want, 0o600))
			continue
		}
		got, err := os.ReadFile(operator + name + ".yaml")
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "run: go test ./internal/operatorrules -update")
	}
}

// prometheusRule makes the object of a file with rules.
func prometheusRule(t *testing.T, file, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var spec struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&spec))

	var out bytes.Buffer
	out.WriteString("# Made of ../prometheus/" + filepath.Base(file) + ", which explains the rules: change them there, then run\n" +
		"#   go test ./internal/operatorrules -update\n")
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	require.NoError(t, encoder.Encode(struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   map[string]string
		Spec       any
	}{"monitoring.coreos.com/v1", "PrometheusRule", map[string]string{"name": "otelcol-aliyunkafkalag-" + name}, spec}))
	return out.Bytes()
}

// rule is a recording rule or an alert.
type rule struct {
	Record, Alert string `yaml:",omitempty"`
	Expr          string
	For           string            `yaml:",omitempty"`
	KeepFiring    string            `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:",omitempty"`
	Annotations   map[string]string `yaml:",omitempty"`
}
