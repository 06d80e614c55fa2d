package process

import "syscall"

// attributes puts the child into a group of its own, so that Ctrl-C in a
// terminal reaches only the parent, which then stops things in order. The
// kernel kills the child should the parent die without doing so.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func terminate(group int) { _ = syscall.Kill(-group, syscall.SIGTERM) }

func kill(group int) { _ = syscall.Kill(-group, syscall.SIGKILL) }
