// Package harness runs the collector and its neighbours as real processes on loopback.
package harness

import (
	"bytes"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a process may take to start, to stop or to do what it is asked for.
// It is generous: it only ends tests that hang.
const patience = 2 * time.Minute

// Process is a running program. It is stopped when the test ends, and what it logged is
// shown when the test failed.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  syncBuffer
	done chan struct{}
}

// Start starts a program with the environment and, beside it, the given variables.
func Start(t testing.TB, binary string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.CommandContext(t.Context(), binary, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	// The context of a test ends before its cleanups run: ask first, so that Stop can wait.
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = patience
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the state tells how it ended
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s logged:\n%s", filepath.Base(binary), p.Log())
		}
	})
	return p
}

// Stop ends the process with SIGTERM and returns how long that took. Stopping twice is fine.
func (p *Process) Stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	if p.Ended() {
		return 0
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may just have ended
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		p.t.Errorf("%s did not stop within %s", p.cmd.Path, patience)
	}
	return time.Since(began)
}

// Kill ends the process with SIGKILL, in the middle of whatever it does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may just have ended
	<-p.done
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Wait waits for the end of the process and returns its exit code.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(p.t, "the process does not end", p.cmd.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// Log is what the process wrote so far.
func (p *Process) Log() string { return p.log.String() }

// CountLog is how many lines of the log have all the parts.
func (p *Process) CountLog(parts ...string) int {
	n := 0
lines:
	for line := range strings.Lines(p.Log()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue lines
			}
		}
		n++
	}
	return n
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Eventually polls until check passes.
func Eventually(t testing.TB, check func() bool, what string, args ...any) {
	t.Helper()
	require.Eventuallyf(t, check, patience, 100*time.Millisecond, what, args...)
}

// Root is the root of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Binary is the path of a program: from the environment variable, or where the Makefile
// builds it.
func Binary(t testing.TB, variable, path, target string) string {
	t.Helper()
	binary := os.Getenv(variable)
	if binary == "" {
		binary = filepath.Join(Root(), path)
	}
	_, err := os.Stat(binary)
	require.NoErrorf(t, err, "%s is missing: run `make %s`, or set %s", path, target, variable)
	return binary
}

// Ports that the kernel does not give to connections, which could take one before it is used.
const firstPort, ports = 15_000, 17_000

// nextPort counts the ports that were given, from a random one on. Each is given once, since nobody listens on it yet
// when the next test asks.
var nextPort = func() *atomic.Int64 {
	var n atomic.Int64
	n.Store(rand.Int64N(ports)) //nolint:gosec // not a secret
	return &n
}()

// FreeAddress is a loopback address that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	var lc net.ListenConfig
	for range 100 {
		address := "127.0.0.1:" + strconv.FormatInt(firstPort+nextPort.Add(1)%ports, 10)
		if l, err := lc.Listen(t.Context(), "tcp", address); err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
	t.Fatal("no free port was found")
	return ""
}
