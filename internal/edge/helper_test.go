package edge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Agents and managers of a benchmark live in processes of their own: one process
// may not have enough open files for both ends of thousands of sessions.

func TestMain(m *testing.M) {
	switch os.Getenv("SOCTALK_EDGE_HELPER") {
	case "manager":
		managerProcess()
	case "agents":
		agentsProcess()
	default:
		os.Exit(m.Run())
	}
}

// managerProcess says where it listens and sends everything back.
func managerProcess() {
	listener, err := net.Listen("tcp", "127.10.0.9:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test
		os.Exit(0)
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(plain{conn}, plain{conn})
			_ = conn.Close()
		}()
	}
}

// plain hides what would let io.Copy splice: pipes are open files too.
type plain struct{ io.ReadWriter }

// agentsProcess obeys lines on its standard input: "hold ADDRESS COUNT" opens
// sessions, each of which speaks every 20 s from then on, as agents do; "check" has
// all of them carry bytes both ways. It answers each order with a line: how many
// sessions it holds, and how many were lost. "probe ADDRESS" connects again and
// again until "probed", which is answered with how long that took.
func agentsProcess() {
	var held []*heldSession
	var probing *prober
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		fields := strings.Fields(input.Text())
		switch {
		case len(fields) == 3 && fields[0] == "hold":
			count, _ := strconv.Atoi(fields[2])
			for range count {
				conn, err := session(fields[1])
				if err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				one := &heldSession{conn: conn}
				held = append(held, one)
				go one.live()
			}
		case len(fields) == 2 && fields[0] == "probe":
			probing = probe(fields[1])
		case len(fields) == 1 && fields[0] == "probed":
			text, err := json.Marshal(probing.end())
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println(string(text))
			continue
		case len(fields) == 1 && fields[0] == "check":
			for _, one := range held {
				one.speak()
			}
		}
		lost := 0
		for _, one := range held {
			if err := one.err(); err != nil {
				if lost++; lost < 5 {
					fmt.Fprintf(os.Stderr, "a session is lost: %v\n", err)
				}
			}
		}
		fmt.Println(len(held)-lost, lost)
	}
}

// heldSession is an agent's that stays.
type heldSession struct {
	mu     sync.Mutex
	conn   net.Conn
	failed error
}

func (h *heldSession) live() {
	for h.err() == nil {
		time.Sleep(20 * time.Second)
		h.speak()
	}
}

func (h *heldSession) speak() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = exchange(h.conn, []byte("still here"))
	}
}

func (h *heldSession) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// session is an agent's: connected, and heard.
func session(address string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", address, 20*time.Second)
	if err != nil {
		return nil, err
	}
	return conn, exchange(conn, frame("001"))
}

func exchange(conn net.Conn, say []byte) error {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write(say); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, len(say)))
	return err
}

// helper is such a process.
type helper struct {
	*testing.T
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

func startHelper(t *testing.T, role string) *helper {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SOCTALK_EDGE_HELPER="+role)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = command.Wait() })
	return &helper{T: t, in: in, out: bufio.NewReader(out)}
}

// line is the next thing it says.
func (h *helper) line() string {
	h.Helper()
	text, err := h.out.ReadString('\n')
	if err != nil {
		h.Fatalf("a helper ended: %v", err)
	}
	return strings.TrimSpace(text)
}

// tell gives an order and reads how many sessions are held and lost after it.
func (h *helper) tell(format string, args ...any) (held, lost int) {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := fmt.Fprintf(h.in, format+"\n", args...); err != nil {
		h.Fatalf("a helper ended: %v", err)
	}
	answer := h.line()
	if _, err := fmt.Sscan(answer, &held, &lost); err != nil {
		h.Fatalf("a helper says %q", answer)
	}
	return held, lost
}

// probe has connections made again and again until the function is called.
func (h *helper) probe(address string) (end func() latencies) {
	h.Helper()
	h.tell("probe %s", address)
	return func() (found latencies) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, err := fmt.Fprintln(h.in, "probed"); err != nil {
			h.Fatalf("a helper ended: %v", err)
		}
		if answer := h.line(); json.Unmarshal([]byte(answer), &found) != nil {
			h.Fatalf("a helper says %q", answer)
		}
		return found
	}
}
