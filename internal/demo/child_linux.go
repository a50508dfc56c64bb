package main

import (
	"os/exec"
	"syscall"
)

// bindToParent keeps the terminal's Ctrl-C from the process, which is told to stop anyway,
// and ends it even if this one is killed.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
