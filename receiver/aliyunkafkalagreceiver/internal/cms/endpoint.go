package cms

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// endpoint is where an API is served.
type endpoint struct {
	scheme string // https, or http for a loopback host
	host   string // host[:port]
}

// CheckEndpoint returns what is wrong with the URL of an endpoint, or nil.
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
