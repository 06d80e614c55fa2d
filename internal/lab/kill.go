package lab

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// Fatal picks the request the operator does not live to send.
type Fatal func(method, path string, body []byte) bool

// errKilled is what a dead process's requests come to.
var errKilled = errors.New("the operator was killed")

// executioner stands between the operator and the API server. Once its judge has
// picked a request, neither that one nor any later one is sent, as if the process
// had ended there: what it did before stays done, what it would have written is not
// written.
type executioner struct {
	next http.RoundTripper

	mu    *sync.Mutex
	judge *Fatal
	dead  chan struct{}
}

// RoundTrip implements http.RoundTripper.
func (e *executioner) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := e.judged(request); err != nil {
		return nil, err
	}
	return e.next.RoundTrip(request)
}

func (e *executioner) judged(request *http.Request) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.dead:
		return errKilled
	default:
	}
	if *e.judge == nil || request.Body == nil {
		return nil
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	_ = request.Body.Close()
	request.Body = io.NopCloser(bytes.NewReader(body))
	if !(*e.judge)(request.Method, request.URL.Path, body) {
		return nil
	}
	close(e.dead)
	return errKilled
}

// KillOperatorAt waits for a request to kill the operator at, once. The channel is
// closed when it happened; then StopOperator buries it.
func (l *Lab) KillOperatorAt(judge Fatal) <-chan struct{} {
	l.fatalMutex.Lock()
	defer l.fatalMutex.Unlock()
	l.fatal = judge
	return l.operator.dead
}

// KillNobody takes the judge back; a new operator starts without one.
func (l *Lab) KillNobody() {
	l.fatalMutex.Lock()
	defer l.fatalMutex.Unlock()
	l.fatal = nil
}
