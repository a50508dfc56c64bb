package aliyunkafkalagreceiver

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
)

// configSchema is config.schema.json with ways to look into it.
type configSchema struct {
	*jsonschema.Resolved
}

func loadSchema(t *testing.T) configSchema {
	t.Helper()
	text, err := os.ReadFile("config.schema.json")
	require.NoError(t, err)
	var schema jsonschema.Schema
	require.NoError(t, json.Unmarshal(text, &schema))
	require.Empty(t, schema.Extra, "misspelt keywords")
	resolved, err := schema.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	require.NoError(t, err)
	return configSchema{resolved}
}

// parts returns a schema together with what it refers to and its alternatives.
func (c configSchema) parts(s *jsonschema.Schema) []*jsonschema.Schema {
	out := []*jsonschema.Schema{s}
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		out = append(out, c.parts(c.Schema().Defs[name])...)
	}
	for _, alternative := range s.AnyOf {
		out = append(out, c.parts(alternative)...)
	}
	return out
}

// find returns the first part of a schema that has what is asked for.
func (c configSchema) find(s *jsonschema.Schema, has func(*jsonschema.Schema) bool) *jsonschema.Schema {
	if i := slices.IndexFunc(c.parts(s), has); i >= 0 {
		return c.parts(s)[i]
	}
	return &jsonschema.Schema{}
}

func (c configSchema) properties(s *jsonschema.Schema) *jsonschema.Schema {
	return c.find(s, func(p *jsonschema.Schema) bool { return len(p.Properties) > 0 })
}

func (c configSchema) types(s *jsonschema.Schema) []string {
	var out []string
	for _, p := range c.parts(s) {
		out = append(append(out, p.Types...), p.Type)
	}
	return out
}

// eachExample calls visit with a section that holds each of the examples.
func (c configSchema) eachExample(s *jsonschema.Schema, visit func(section map[string]any)) {
	for name, property := range c.properties(s).Properties {
		for _, p := range c.parts(property) {
			for _, example := range p.Examples {
				visit(map[string]any{name: example})
			}
		}
		c.eachExample(property, func(section map[string]any) { visit(map[string]any{name: section}) })
	}
}

// defaults returns a section of all default values.
func (c configSchema) defaults(s *jsonschema.Schema) map[string]any {
	section := map[string]any{}
	for name, property := range c.properties(s).Properties {
		if below := c.defaults(property); len(below) > 0 {
			section[name] = below
		}
		for _, p := range c.parts(property) {
			var value any
			if json.Unmarshal(p.Default, &value) == nil {
				section[name] = value
			}
		}
	}
	return section
}

// validate checks a section as an editor does.
func (c configSchema) validate(t *testing.T, section any) error {
	t.Helper()
	text, err := json.Marshal(section)
	require.NoError(t, err)
	var instance any
	require.NoError(t, json.Unmarshal(text, &instance))
	return c.Validate(instance)
}

func TestSchemaHasTheKeysOfConfig(t *testing.T) {
	schema := loadSchema(t)
	compareKeys(t, schema, "", schema.Schema(), reflect.TypeFor[Config]())
}

func compareKeys(t *testing.T, c configSchema, path string, s *jsonschema.Schema, section reflect.Type) {
	fields, properties := taggedFields(section), c.properties(s).Properties
	if strings.HasPrefix(path, "http") {
		assert.Subset(t, keysOf(fields), keysOf(properties), path)
	} else {
		assert.Equal(t, keysOf(fields), keysOf(properties), path)
		closed := c.properties(s).AdditionalProperties != nil
		assert.Equal(t, path != "retry_on_failure", closed, "%s: additionalProperties", path)
	}
	for name, property := range properties {
		key, field := join(path, name), fields[name]
		assert.NotEmpty(t, property.Description, key)
		assert.Contains(t, c.types(property), jsonType(field), key)
		if field.Kind() == reflect.Slice {
			property, field = c.find(property, func(p *jsonschema.Schema) bool { return p.Items != nil }).Items, field.Elem()
		}
		if property != nil && len(taggedFields(field)) > 0 {
			compareKeys(t, c, key, property, field)
		}
	}
}

func keysOf[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

func jsonType(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return "string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	case reflect.Struct:
		return "object"
	default:
		return "string"
	}
}

func TestSchemaHasTheDefaults(t *testing.T) {
	schema := loadSchema(t)
	// The schema describes the common keys of http only.
	got := &Config{HTTP: confighttp.NewDefaultClientConfig()}
	defaults := schema.defaults(schema.Schema())
	require.NoError(t, confmap.NewFromStringMap(defaults).Unmarshal(got))
	assert.EqualExportedValues(t, createDefaultConfig(), got)

	var optional []string
	for name, field := range taggedFields(reflect.TypeFor[Config]()) {
		if field.Kind() != reflect.Slice && name != "consumer_groups" {
			optional = append(optional, name)
		}
	}
	assert.ElementsMatch(t, optional, append(keysOf(defaults), schema.Schema().Required...))
}

func TestSchemaHasTheEnums(t *testing.T) {
	schema := loadSchema(t)
	enum := func(path ...string) (values []any) {
		s := schema.Schema()
		for _, name := range path {
			s = schema.properties(s).Properties[name]
		}
		return schema.find(s, func(p *jsonschema.Schema) bool { return p.Enum != nil }).Enum
	}
	assert.Equal(t, []any{alicloud.NetworkPublic, alicloud.NetworkVPC}, enum("network"))
	var types []any
	for _, ct := range alicloud.CredentialTypes {
		types = append(types, string(ct))
	}
	assert.Equal(t, types, enum("credentials", "type"))
}

// The schema and the receiver must agree on what each of them checks.
func TestSchemaAgreesWithValidate(t *testing.T) {
	schema := loadSchema(t)
	tests := []struct {
		yaml  string
		valid bool
	}{
		{"", true},
		{"region: ''", false},
		{"region: Hangzhou", false},
		{"region: cn-", false},
		{"network: vpc", true},
		{"network: intranet", false},
		{"instances: [a-b_C9]", true},
		{"instances: ['a b']", false},
		{"instances: ['']", false},
		{"instances: [a, a]", false},
		{"collection_interval: 60", false},
		{"collection_interval: '60'", false},
		{"collection_interval: 1h30m", true},
		{"collection_interval: 1.5h", true},
		{"collection_interval: 1 min", false},
		{"initial_delay: 0", true},
		{"max_backfill: 1d", false},
		{"requests_per_second: 0", false},
		{"requests_per_second: 0.1", true},
		{"requests_per_second: 50", true},
		{"requests_per_second: 50.1", false},
		{"max_concurrency: 0", false},
		{"max_concurrency: 1", true},
		{"max_concurrency: 50", true},
		{"max_concurrency: 51", false},
		{"lookback: 5m", false},
		{"storage: file_storage", true},
		{"storage: [a]", false},
		{"credentials: {type: ecs_ram_role, role_name: x}", true},
		{"credentials: {type: x}", false},
		{"credentials: {acess_key_id: x}", false},
		{"credentials: {type: ram_role_arn, access_key_id: x, access_key_secret: y, role_arn: x}", false},
		{"consumer_groups: {include: [a]}", false},
		{"consumer_groups: {include: a}", false},
		{"consumer_groups: {include: [{strict: a}, {regexp: b}]}", true},
		{"consumer_groups: {include: [{strict: a, regexp: b}]}", false},
		{"consumer_groups: {exclude: [{}]}", false},
		{"consumer_groups: {exclude: [{regex: a}]}", false},
		{"consumer_group: {}", false},
		{"metrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}", true},
		{"metrics: {kafka.consumer.topic.message_accumulation: true}", false},
		{"metrics: {kafka: {enabled: true}}", false},
		{"resource_attributes: {cloud.region: {enabled: false, metrics_include: [{strict: a}]}}", true},
		{"resource_attributes: {cloud.zone: {enabled: false}}", false},
		{"retry_on_failure: {multiplier: -1}", false},
		{"retry_on_failure: {randomization_factor: 2}", false},
		{"retry_on_failure: {max_interval: 10}", false},
		{"http: {tls: {ca_file: x}, read_buffer_size: 1, keepalive: {enabled: false}}", true},
		{"http: {timeout: 10}", false},
		{"http: {http2_ping_timeout: x}", false},
	}
	for _, tt := range tests {
		t.Run(tt.yaml, func(t *testing.T) {
			if !strings.HasPrefix(tt.yaml, "region:") {
				tt.yaml = "region: cn-hangzhou\n" + tt.yaml
			}
			conf := confFromYAML(t, tt.yaml)
			assert.Equal(t, tt.valid, schema.validate(t, conf.ToStringMap()) == nil, "schema")
			cfg := createDefaultConfig()
			err := conf.Unmarshal(cfg)
			if err == nil {
				err = confmap.Validate(cfg)
			}
			assert.Equal(t, tt.valid, err == nil, "receiver: %v", err)
		})
	}
}

func TestExamplesOfTheSchema(t *testing.T) {
	schema := loadSchema(t)
	count := 0
	schema.eachExample(schema.Schema(), func(section map[string]any) {
		count++
		assert.NoError(t, confmap.NewFromStringMap(section).Unmarshal(createDefaultConfig()))
		if section["region"] == nil {
			section["region"] = "cn-hangzhou"
		}
		assert.NoError(t, schema.validate(t, section))
	})
	assert.Greater(t, count, 20)
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Each section of this receiver that the repository shows must fit the schema.
func TestExamplesOfTheRepository(t *testing.T) {
	schema := loadSchema(t)
	seen := 0
	check := func(file, text string) {
		sections := receiverSections(t, text)
		seen += len(sections)
		for _, section := range sections {
			assert.NoError(t, schema.validate(t, section), file)
		}
	}
	for _, pattern := range []string{"testdata/config.yaml", "../../collector-config/*.yaml", "../../deploy/*/*.yaml", "*.md", "../../*.md", "../../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			if filepath.Ext(file) == ".yaml" {
				check(file, string(text))
			}
			for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
				check(file, block[1])
			}
		}
	}
	assert.Greater(t, seen, 6)
}

// receiverSections returns the sections of the receiver anywhere in a YAML text, and none if it has no YAML.
func receiverSections(t *testing.T, text string) []any {
	t.Helper()
	var found []any
	var search func(value any)
	search = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, below := range value {
				section, ok := below.(map[string]any)
				if name, _, _ := strings.Cut(key, "/"); ok && name == "aliyunkafkalag" {
					found = append(found, section)
				}
				search(below)
			}
		case []any:
			for _, below := range value {
				search(below)
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var document any
		if decoder.Decode(&document) != nil {
			return found
		}
		search(document)
	}
}
