package cmssim

import (
	"bytes"
	_ "embed" // the built-in scenario
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// RushHour is the name of the built-in scenario.
const RushHour = "rush-hour"

//go:embed rush-hour.yaml
var rushHour []byte

// LoadScenario reads the built-in scenario by its name, or else a YAML file. Its error names the file and what is wrong in it.
func LoadScenario(name string) (Scenario, error) {
	if name == RushHour {
		return parseScenario(name, rushHour)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return Scenario{}, fmt.Errorf("%q is not the built-in scenario %s, and not a file that can be read: %w", name, RushHour, err)
	}
	return parseScenario(name, data)
}

// parseScenario parses the YAML of a scenario, whose values [New] validates. The name is for its error.
func parseScenario(name string, data []byte) (Scenario, error) {
	var sc Scenario
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&sc); errors.Is(err, io.EOF) {
		return sc, fmt.Errorf("%s: it is empty; a scenario has at least instances or generate", name)
	} else if err != nil {
		return sc, fmt.Errorf("%s: %s", name, strings.ReplaceAll(err.Error(), "time.Duration", "a duration such as 90s"))
	}
	return sc, nil
}
