// Command node is what runs on every node of a Kubernetes cluster, and the
// scheduler that chooses among them, in one file: kubelet, kube-proxy and
// kube-scheduler, chosen by the first argument. It is the unmodified upstream code;
// only this switch is ours.
//
// It lives beside peers/kubernetes, not in it: that module is built by everybody
// who runs the demo or the tests, this one only where real nodes can run. It pins
// the same versions, so that most of it is compiled already.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	program := os.Args[1]
	os.Args = append([]string{program}, os.Args[2:]...)
	commands := map[string]func() *cobra.Command{
		"kubelet":        func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
		"kube-proxy":     proxy.NewProxyCommand,
		"kube-scheduler": func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	}
	command, known := commands[program]
	if !known {
		usage()
	}
	os.Exit(cli.Run(command()))
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: node kubelet|kube-proxy|kube-scheduler [flags]")
	os.Exit(2)
}
