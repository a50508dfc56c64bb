package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// startCommand runs the command until the returned function is called, which returns its error.
func startCommand(t *testing.T, args ...string) (urls map[string]string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := run(ctx, args, writer, io.Discard)
		_ = writer.CloseWithError(err)
		result <- err
	}()
	urls = map[string]string{}
	scanner := bufio.NewScanner(reader)
	for range 2 {
		require.True(t, scanner.Scan(), scanner.Err())
		name, url, _ := strings.Cut(scanner.Text(), "=")
		urls[name] = url
	}
	return urls, func() error {
		cancel()
		return <-result
	}
}

func request(t *testing.T, method, url, body string) (status int, reply string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func TestRun(t *testing.T) {
	urls, stop := startCommand(t)
	status, body := request(t, http.MethodPost, urls["cms_url"], "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body, "IncompleteSignature")
	status, body = request(t, http.MethodGet, urls["control_url"]+"/requests", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"total":1`)
	status, _ = request(t, http.MethodGet, urls["cms_url"]+"/sim/requests", "")
	assert.Equal(t, http.StatusBadRequest, status, "the control API has an address of its own")
	require.NoError(t, stop())
}

func TestRunRejects(t *testing.T) {
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	invalid := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(invalid, []byte("instances: [{}]"), 0o600))
	tests := map[string]struct {
		args []string
		want string
	}{
		"remote address":   {args: []string{"-listen", "0.0.0.0:0"}, want: `-listen "0.0.0.0:0": it is a loopback IP address`},
		"remote control":   {args: []string{"-control", "192.0.2.1:0"}, want: `-control "192.0.2.1:0": it is a loopback IP address`},
		"no port":          {args: []string{"-listen", "127.0.0.1"}, want: `-listen "127.0.0.1": it is`},
		"host name":        {args: []string{"-listen", "localhost:0"}, want: `-listen "localhost:0": it is`},
		"port in use":      {args: []string{"-control", taken.Addr().String()}, want: "address already in use"},
		"no scenario":      {args: []string{"-scenario", "no-such-hour"}, want: `-scenario: "no-such-hour" is not the built-in scenario`},
		"invalid scenario": {args: []string{"-scenario", invalid}, want: invalid + `: scenario: instance: the name ""`},
		"unknown flag":     {args: []string{"-port", "1"}, want: "flag provided but not defined: -port"},
		"unknown argument": {args: []string{"rush-hour"}, want: `unknown argument "rush-hour"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, run(t.Context(), tt.args, io.Discard, io.Discard), tt.want)
		})
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, io.Discard, &out), flag.ErrHelp)
	assert.Contains(t, out.String(), "-scenario file")
}
