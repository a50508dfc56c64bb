package cms

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
)

// endpoint is where CMS is served.
type endpoint struct {
	scheme string // https, or http for a loopback host
	host   string // host[:port]
}

func parseEndpoint(raw string) (endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The text of err repeats the URL, which may hold a password.
		return endpoint{}, errors.New("endpoint is not a URL: write https://host or https://host:port")
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	switch {
	case u.Hostname() == "" || *u != bare || strings.Trim(u.Path, "/") != "":
		return endpoint{}, fmt.Errorf("endpoint %q: write https://host or https://host:port and nothing else", u.Redacted())
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return endpoint{scheme: u.Scheme, host: u.Host}, nil
	default:
		return endpoint{}, fmt.Errorf("endpoint %q: use https://, http:// is for loopback hosts only", u.Redacted())
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// refuseDebugOutput guards against the SDK printing request headers, security tokens among them, to standard output.
// The SDK reads the variable when the process starts, so it cannot be switched off here.
func refuseDebugOutput() error {
	for _, flag := range strings.Split(os.Getenv("DEBUG"), ",") {
		if slices.Contains([]string{"dara", "tea", "credential", "sdk"}, flag) {
			return fmt.Errorf("environment variable DEBUG has %q, which makes the Alibaba Cloud SDK print credentials: unset it", flag)
		}
	}
	return nil
}
