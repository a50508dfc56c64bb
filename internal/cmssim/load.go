package cmssim

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed scenarios/*.yaml
var builtin embed.FS

// BuiltinScenarios returns the names of the scenarios that come with the simulator, sorted.
func BuiltinScenarios() []string {
	files, _ := fs.Glob(builtin, "scenarios/*.yaml") // only a malformed pattern is an error
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return files
}

// LoadScenario reads a built-in scenario by its name, or else a YAML file. Its error names the file and what is wrong in it.
func LoadScenario(name string) (Scenario, error) {
	if slices.Contains(BuiltinScenarios(), name) {
		data, err := builtin.ReadFile("scenarios/" + name + ".yaml")
		if err != nil {
			return Scenario{}, err
		}
		return ParseScenario(name, data)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return Scenario{}, fmt.Errorf("%q is not a built-in scenario (%s), and not a file that can be read: %w",
			name, strings.Join(BuiltinScenarios(), ", "), err)
	}
	return ParseScenario(name, data)
}

// ParseScenario parses the YAML of a scenario. Its error names every key and value that is wrong; name is for the error.
func ParseScenario(name string, data []byte) (Scenario, error) {
	var sc Scenario
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	err := d.Decode(&sc)
	switch {
	case errors.Is(err, io.EOF):
		return Scenario{}, fmt.Errorf("%s: it is empty, a scenario has at least instances or generate", name)
	case err != nil:
		return Scenario{}, fmt.Errorf("%s: %w", name, explainYAML(err, data))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Scenario{}, fmt.Errorf("%s: there is something after the first YAML document", name)
	}
	if err := sc.Validate(); err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", name, err)
	}
	return sc, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// explainYAML puts the line of the file into errors that only have its number, and says how a duration is written.
func explainYAML(err error, data []byte) error {
	var typeErr *yaml.TypeError
	if !errors.As(err, &typeErr) {
		return err
	}
	lines := strings.Split(string(data), "\n")
	var all []error
	for _, text := range typeErr.Errors {
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			if n, _ := strconv.Atoi(m[1]); n >= 1 && n <= len(lines) {
				text = strings.Replace(text, m[0], fmt.Sprintf("line %d, %q: ", n, strings.TrimSpace(lines[n-1])), 1)
			}
		}
		text = strings.ReplaceAll(text, "time.Duration", "a duration such as 90s or 5m")
		all = append(all, errors.New(text))
	}
	return errors.Join(all...)
}
