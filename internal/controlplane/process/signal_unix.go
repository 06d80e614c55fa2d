//go:build unix && !linux

package process

import "syscall"

// attributes puts the child into a group of its own; only Linux can also tie
// the child's life to the parent's.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func terminate(group int) { _ = syscall.Kill(-group, syscall.SIGTERM) }

func kill(group int) { _ = syscall.Kill(-group, syscall.SIGKILL) }
