package process

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// pipe carries what a child prints. It is made here rather than by os/exec,
// whose Wait would wait for grandchildren that hold the other end.
type pipe struct {
	read, write *os.File
	to          io.Writer
	finished    chan struct{}
}

// addPipe makes a pipe and returns its end for the child, typed so that os/exec
// hands it over as it is.
func addPipe(pipes []*pipe, to io.Writer) (*os.File, []*pipe, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, pipes, err
	}
	added := &pipe{read: read, write: write, to: to, finished: make(chan struct{})}
	return write, append(pipes, added), nil
}

// follow copies until every writer has gone, once the child has its end.
func (p *pipe) follow(started bool) {
	_ = p.write.Close()
	if !started {
		_ = p.read.Close()
		return
	}
	go func() {
		defer close(p.finished)
		_, _ = io.Copy(p.to, p.read)
	}()
}

// lastOutput is how long a process that escaped the child's group may go on
// holding its output.
const lastOutput = time.Second

// drain waits for the rest of the output.
func (p *pipe) drain() {
	timer := time.AfterFunc(lastOutput, func() { _ = p.read.Close() })
	<-p.finished
	timer.Stop()
	_ = p.read.Close()
}

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

func openLog(spec Spec) (io.WriteCloser, error) {
	if spec.LogFile == "" {
		return nowhere{io.Discard}, nil
	}
	if err := os.MkdirAll(filepath.Dir(spec.LogFile), 0o700); err != nil {
		return nil, fmt.Errorf("log folder of %s: %w", spec.Name, err)
	}
	file, err := os.OpenFile(spec.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log file of %s: %w", spec.Name, err)
	}
	return file, nil
}
