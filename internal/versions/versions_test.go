// Package versions checks that the versions of the collector move together: those the
// distribution is built from, those the receiver is built against, and those of the tools.
package versions

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../../"

// requirement is a module of the collector, and the file that asks for it.
type requirement struct {
	file, module, version string
}

func TestCollectorVersionsAreInStep(t *testing.T) {
	requirements := builderConfig(t, "builder-config.yaml")
	for _, file := range []string{"go.mod", "internal/tools/go.mod"} {
		requirements = append(requirements, goMod(t, file)...)
	}
	for _, odd := range outOfStep(requirements) {
		t.Error(odd)
	}
}

// TestProjectVersionIsInStep: what is deployed is the version that builder-config.yaml builds.
func TestProjectVersionIsInStep(t *testing.T) {
	var config struct{ Dist struct{ Version string } }
	content, err := os.ReadFile(root + "builder-config.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &config))
	require.NotEmpty(t, config.Dist.Version)
	for file, line := range map[string]string{
		"deploy/kubernetes/base/kustomization.yaml":            "newTag: ",
		"deploy/kubernetes/overlays/scrape/kustomization.yaml": "newTag: ",
		"deploy/kubernetes/dingtalk-relay/kustomization.yaml":  "newTag: ",
		"deploy/helm/values.yaml":                              "tag: ",
		"CHANGELOG.md":                                         "## ",
	} {
		content, err := os.ReadFile(root + file)
		require.NoError(t, err)
		assert.Contains(t, string(content), line+config.Dist.Version, file)
	}
}

// TestTestedVersions: the table in the READMEs has the versions that the tests run.
func TestTestedVersions(t *testing.T) {
	versions := map[string]string{
		"Go":                      version(t, "go.mod", `(?m)^go (\d+\.\d+)`),
		"OpenTelemetry Collector": version(t, "builder-config.yaml", `processor/memorylimiterprocessor (v\S+)`),
		"Kubernetes":              version(t, "internal/tools/kubernetes/go.mod", `k8s.io/kubernetes (v\S+)`),
		"Prometheus":              version(t, "Makefile", `common/version.Version=(\S+?)'`),
		"prometheus-adapter":      version(t, "internal/tools/prometheus-adapter/go.mod", `sigs.k8s.io/prometheus-adapter (v\S+)`),
		"KEDA":                    version(t, "internal/tools/keda/go.mod", `github.com/kedacore/keda/v2 (v\S+)`),
		"Alertmanager":            version(t, "Makefile", `ALERTMANAGER := (v\S+)`),
		"Prometheus Operator":     version(t, "test/chain/operator.go", `prometheus-operator@(v[^"]+)`),
		"Helm chart":              version(t, "Makefile", `opentelemetry-collector --version (\d+\.\d+\.\d+)`),
	}
	for _, file := range []string{"README.md", "README.zh-CN.md"} {
		content, err := os.ReadFile(root + file)
		require.NoError(t, err)
		for program, version := range versions {
			assert.Regexp(t, `(?m)^\| `+program+`[^|]* \| `+regexp.QuoteMeta(version)+` \|$`, string(content), file)
		}
	}
}

// TestWorkflowGo: CI and releases take the newest patch of the Go that go.mod asks for.
func TestWorkflowGo(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string
				With map[string]any
			}
		}
	}
	content, err := os.ReadFile(root + ".github/workflows/ci.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &workflow))
	require.NotEmpty(t, workflow.Jobs)

	want := version(t, "go.mod", `(?m)^go (\d+\.\d+)`) + ".x"
	for name, job := range workflow.Jobs {
		for _, step := range job.Steps {
			if strings.HasPrefix(step.Uses, "actions/setup-go@") {
				assert.Equal(t, want, step.With["go-version"], name)
			}
		}
	}
}

// version is what a pattern finds in a file.
func version(t *testing.T, file, pattern string) string {
	t.Helper()
	content, err := os.ReadFile(root + file)
	require.NoError(t, err)
	match := regexp.MustCompile(pattern).FindSubmatch(content)
	require.NotNil(t, match, "%s in %s", pattern, file)
	return string(match[1])
}

func TestOutOfStep(t *testing.T) {
	in := []requirement{
		{"go.mod", "stable/a", "v1.67.0"},
		{"go.mod", "beta/a", "v0.161.0"},
		{"go.mod", "beta/b", "v0.161.0"},
		{"builder-config.yaml", "stable/b", "v1.67.0"},
	}
	assert.Empty(t, outOfStep(in))
	assert.Equal(t,
		[]string{"internal/tools/go.mod: beta/builder is at v0.162.0, the others are at v0.161.0"},
		outOfStep(append(in, requirement{"internal/tools/go.mod", "beta/builder", "v0.162.0"})))
}

// outOfStep names the requirements whose version is not the one that most have. The
// collector has two lines of versions, v0 and v1.
func outOfStep(requirements []requirement) []string {
	lines := map[string][]requirement{}
	for _, r := range requirements {
		major, _, _ := strings.Cut(r.version, ".")
		lines[major] = append(lines[major], r)
	}
	var odd []string
	for _, major := range slices.Sorted(maps.Keys(lines)) {
		usual := usualVersion(lines[major])
		for _, r := range lines[major] {
			if r.version != usual {
				odd = append(odd, fmt.Sprintf("%s: %s is at %s, the others are at %s", r.file, r.module, r.version, usual))
			}
		}
	}
	return odd
}

func usualVersion(requirements []requirement) string {
	count := map[string]int{}
	for _, r := range requirements {
		count[r.version]++
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(count)), func(a, b string) int { return count[a] - count[b] })
}

// builderConfig reads the components of a manifest of the OpenTelemetry Collector Builder.
func builderConfig(t *testing.T, file string) []requirement {
	type component struct {
		GoMod string `yaml:"gomod"`
	}
	var config struct {
		Receivers, Processors, Exporters, Connectors, Extensions, Providers, Converters []component
		Telemetry                                                                       component
	}
	content, err := os.ReadFile(root + file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &config))

	var requirements []requirement
	for _, c := range slices.Concat(config.Receivers, config.Processors, config.Exporters, config.Connectors,
		config.Extensions, config.Providers, config.Converters, []component{config.Telemetry}) {
		module, version, _ := strings.Cut(c.GoMod, " ")
		requirements = append(requirements, requirement{file, module, version})
	}
	return ofCollector(t, requirements)
}

// goMod reads what a go.mod requires.
func goMod(t *testing.T, file string) []requirement {
	output, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", root+file).Output()
	require.NoError(t, err)
	var mod struct {
		Require []struct{ Path, Version string }
	}
	require.NoError(t, json.Unmarshal(output, &mod))

	var requirements []requirement
	for _, r := range mod.Require {
		requirements = append(requirements, requirement{file, r.Path, r.Version})
	}
	return ofCollector(t, requirements)
}

// ofCollector keeps the modules that are released together with the collector.
func ofCollector(t *testing.T, requirements []requirement) []requirement {
	kept := slices.DeleteFunc(requirements, func(r requirement) bool {
		return !strings.HasPrefix(r.module, "go.opentelemetry.io/collector/") &&
			!strings.HasPrefix(r.module, "github.com/open-telemetry/opentelemetry-collector-contrib/")
	})
	require.NotEmpty(t, kept)
	return kept
}
