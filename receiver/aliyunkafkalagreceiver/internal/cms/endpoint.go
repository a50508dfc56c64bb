package cms

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// endpoint is where CMS is served.
type endpoint struct {
	scheme string // https, or http for a loopback host
	host   string // host[:port]
}

// CheckEndpoint tells what is wrong with the URL of an endpoint.
func CheckEndpoint(raw string) error {
	_, err := parseEndpoint(raw)
	return err
}

func parseEndpoint(raw string) (endpoint, error) {
	const allowed = "must be https://host[:port], or http:// for a loopback host"
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || !validPort(u.Port()) {
		// The value may hold a password, so it is not repeated.
		return endpoint{}, errors.New(allowed)
	}
	if bare := (url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}); *u != bare || strings.Trim(u.Path, "/") != "" {
		return endpoint{}, errors.New(allowed + ", without user, path or query")
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return endpoint{scheme: u.Scheme, host: u.Host}, nil
	}
	return endpoint{}, fmt.Errorf("%s, not %q", allowed, raw)
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
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
