// Package distribution is what the distribution has besides its components: root certificates for images that have none,
// and a check of the configuration. The collector takes it as a confmap converter. Nothing else may import it, since a
// program can have only one set of fallback roots.
package distribution

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	_ "golang.org/x/crypto/x509roots/fallback" // used where the system has no root certificates
)

// NewFactory returns the factory of a converter that rejects exporters with a password in their URL.
func NewFactory() confmap.ConverterFactory {
	return confmap.NewConverterFactory(func(confmap.ConverterSettings) confmap.Converter { return converter{} })
}

type converter struct{}

// Convert changes nothing. Its error names every exporter's URL that has a password, since exporters log their URL.
func (converter) Convert(_ context.Context, conf *confmap.Conf) error {
	exporters, ok := conf.ToStringMap()["exporters"].(map[string]any)
	if !ok {
		return nil
	}
	return errors.Join(passwords("exporters", exporters)...)
}

// passwords looks for URLs with a password in the keys that hold URLs, at any depth. The URLs of a list belong to its key.
func passwords(path string, settings map[string]any) (errs []error) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		errs = append(errs, passwordsOf(path+"::"+key, key, settings[key])...)
	}
	return errs
}

// passwordsOf looks in the value of one key, which is called name in errors.
func passwordsOf(name, key string, value any) (errs []error) {
	switch value := value.(type) {
	case map[string]any:
		return passwords(name, value)
	case []any:
		for i, element := range value {
			errs = append(errs, passwordsOf(fmt.Sprintf("%s::%d", name, i), key, element)...)
		}
	case string:
		if holdsURLs(key) && hasPassword(value) {
			errs = append(errs, fmt.Errorf("%s contains a password, which the exporter would log: "+
				"take it out of the URL and use the extension basicauth with client_auth", name))
		}
	}
	return errs
}

func holdsURLs(key string) bool {
	return strings.HasSuffix(key, "endpoint") || strings.HasSuffix(key, "endpoints") || key == "url" || key == "urls"
}

func hasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil { // a password with characters that must be escaped in a URL, such as / and #
		at := strings.LastIndex(text, "@")
		user := text[:max(at, 0)]
		if _, behind, found := strings.Cut(user, "://"); found {
			user = behind
		}
		return strings.Contains(user, ":")
	}
	if strings.Index(u.Opaque, "@") > 0 { // user:password@host, without http://
		return true
	}
	_, set := u.User.Password()
	return set
}
