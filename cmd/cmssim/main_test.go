package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
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
func startCommand(t *testing.T, lines int, args ...string) (urls map[string]string, stop func() error) {
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
	for range lines {
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
	urls, stop := startCommand(t, 2)
	status, body := request(t, http.MethodPost, urls["cms_url"], "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body, "IncompleteSignature")
	status, body = request(t, http.MethodGet, urls["control_url"]+"/requests", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"total":1`)
	status, _ = request(t, http.MethodGet, urls["cms_url"]+"/sim/requests", "")
	assert.Equal(t, http.StatusBadRequest, status, "the control API is served with CloudMonitor's")
	require.NoError(t, stop())
}

func TestRunWithoutControl(t *testing.T) {
	urls, stop := startCommand(t, 1, "-control", "", "-listen", "127.0.0.1:0", "-scenario", "rush-hour")
	assert.Contains(t, urls["cms_url"], "http://127.0.0.1:")
	require.NoError(t, stop())
}

func TestRunWhereOtherMachinesCanReachIt(t *testing.T) {
	urls, stop := startCommand(t, 1, "-control", "", "-listen", "0.0.0.0:0", "-allow-remote")
	assert.NotEmpty(t, urls["cms_url"])
	require.NoError(t, stop())
}

func TestRunRefuses(t *testing.T) {
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	tests := map[string]struct {
		args []string
		want string
	}{
		"remote address":   {args: []string{"-listen", "0.0.0.0:0"}, want: `-listen "0.0.0.0:0": other machines can reach it`},
		"remote control":   {args: []string{"-control", "192.0.2.1:0"}, want: `-control "192.0.2.1:0": other machines can reach it`},
		"no port":          {args: []string{"-listen", "127.0.0.1"}, want: `-listen "127.0.0.1"`},
		"host name":        {args: []string{"-listen", "localhost:0"}, want: "it is an IP address and a port"},
		"port in use":      {args: []string{"-control", taken.Addr().String()}, want: "address already in use"},
		"scenario":         {args: []string{"-scenario", "no-such-hour"}, want: `-scenario: "no-such-hour" is not a built-in scenario`},
		"unknown flag":     {args: []string{"-port", "1"}, want: "flag provided but not defined: -port"},
		"unknown argument": {args: []string{"rush-hour"}, want: `argument "rush-hour" is not understood`},
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
