package wazuh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Control messages, as they stand after decryption (rc.h). The trailing spaces are part of them.
const (
	controlPrefix = "#!-"

	startupPrefix    = "#!-agent startup "
	AckMessage       = "#!-agent ack "
	ShutdownMessage  = "#!-agent shutdown "
	ReconnectMessage = "#!-force_reconnect"
	filePrefix       = "#!-up file "
	FileEndMessage   = "#!-close file "
	requestPrefix    = "#!-req "
	errorPrefix      = "#!-err "

	// MergedFile is the one file a manager pushes: the shared configuration of an agent's groups.
	MergedFile = "merged.mg"
	// FileChunk is how many bytes of a pushed file a manager puts into one message.
	FileChunk = 900
)

// IsControl reports whether msg is a control message rather than an event.
func IsControl(msg []byte) bool { return bytes.HasPrefix(msg, []byte(controlPrefix)) }

// AppendStartup appends the message that opens a session. Without a version the manager can't check it.
func AppendStartup(dst []byte, version string) []byte {
	dst = append(dst, startupPrefix...)
	if version == "" {
		return dst
	}
	dst = append(dst, `{"version":"`...)
	dst = append(dst, version...)
	return append(dst, `"}`...)
}

// ParseStartup reports whether msg opens a session, and the version it names, if any.
func ParseStartup(msg []byte) (version string, ok bool) {
	rest, ok := bytes.CutPrefix(msg, []byte(startupPrefix))
	if !ok {
		return "", false
	}
	var body struct {
		Version string `json:"version"`
	}
	if json.Unmarshal(rest, &body) != nil {
		return "", true
	}
	return body.Version, true
}

// AppendError appends the message with which a manager refuses a session.
func AppendError(dst []byte, message string) []byte {
	text, err := json.Marshal(map[string]string{"message": message})
	if err != nil {
		return dst // a string always marshals
	}
	return append(append(dst, errorPrefix...), text...)
}

// ParseError reports whether msg is a manager's refusal, and what it says.
func ParseError(msg []byte) (message string, ok bool) {
	rest, ok := bytes.CutPrefix(msg, []byte(errorPrefix))
	if !ok {
		return "", false
	}
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(rest, &body) != nil {
		return string(rest), true
	}
	return body.Message, true
}

// AppendFileStart appends the announcement of a pushed file.
func AppendFileStart(dst []byte, sum, name string) []byte {
	return fmt.Appendf(dst, "%s%s %s\n", filePrefix, sum, name)
}

// ParseFileStart reads the announcement of a pushed file.
func ParseFileStart(msg []byte) (sum, name string, ok bool) {
	rest, ok := bytes.CutPrefix(msg, []byte(filePrefix))
	if !ok {
		return "", "", false
	}
	sum, name, ok = strings.Cut(strings.TrimSuffix(string(rest), "\n"), " ")
	return sum, name, ok && sum != "" && name != ""
}

// ParseRequest reads a request of the manager to a part of the agent; it wants an answer made by
// AppendResponse with the same counter.
func ParseRequest(msg []byte) (counter, target, payload string, ok bool) {
	rest, ok := bytes.CutPrefix(msg, []byte(requestPrefix))
	if !ok {
		return "", "", "", false
	}
	counter, body, ok := strings.Cut(string(rest), " ")
	if !ok || counter == "" {
		return "", "", "", false
	}
	target, payload, _ = strings.Cut(body, " ")
	return counter, target, payload, target != ""
}

// AppendResponse appends the answer to a request.
func AppendResponse(dst []byte, counter, response string) []byte {
	return fmt.Appendf(dst, "%s%s %s", requestPrefix, counter, response)
}

// KeepAlive is what an agent says of itself every notify_time. All the manager shows of an agent's
// system, version and address comes from here.
type KeepAlive struct {
	System    string   // Linux: "Linux |host |release |version |arch [Debian GNU/Linux|debian: 12] - Wazuh v4.14.7"
	ConfigSum string   // MD5 of agent.conf; may be empty
	Labels    []string // lines such as "env":prod
	MergedSum string   // MD5 of merged.mg; empty when the agent has none yet
	AgentIP   string   // what GET /agents will show; empty leaves it empty there
}

const (
	noMergedSum   = "x"
	agentIPPrefix = `#"_agent_ip":`
)

// AppendKeepAlive appends the message.
func AppendKeepAlive(dst []byte, k KeepAlive) []byte {
	dst = append(dst, controlPrefix...)
	dst = append(dst, k.System...)
	if k.ConfigSum != "" {
		dst = append(dst, " / "...)
		dst = append(dst, k.ConfigSum...)
	}
	dst = append(dst, '\n')
	for _, label := range k.Labels {
		dst = append(dst, label...)
		dst = append(dst, '\n')
	}
	sum := k.MergedSum
	if sum == "" {
		sum = noMergedSum
	}
	dst = append(dst, sum...)
	dst = append(dst, " "+MergedFile+"\n"...)
	if k.AgentIP != "" {
		dst = append(dst, agentIPPrefix...)
		dst = append(dst, k.AgentIP...)
		dst = append(dst, '\n')
	}
	return dst
}

// ParseKeepAlive reads a keep-alive. A first line without its newline is an error, as remoted has
// it: it logs "Invalid message" and doesn't acknowledge.
func ParseKeepAlive(msg []byte) (KeepAlive, error) {
	rest, ok := bytes.CutPrefix(msg, []byte(controlPrefix))
	if !ok {
		return KeepAlive{}, errors.New("not a control message")
	}
	first, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return KeepAlive{}, errors.New("keep-alive without a newline after its first line")
	}
	k := KeepAlive{System: string(first)}
	if at := strings.LastIndex(k.System, " / "); at >= 0 {
		k.System, k.ConfigSum = k.System[:at], k.System[at+len(" / "):]
	}
	for line := range strings.Lines(string(rest)) {
		line = strings.TrimSuffix(line, "\n")
		if ip, ok := strings.CutPrefix(line, agentIPPrefix); ok {
			k.AgentIP = ip
			continue
		}
		if sum, ok := strings.CutSuffix(line, " "+MergedFile); ok {
			k.MergedSum = strings.TrimPrefix(sum, noMergedSum)
			continue
		}
		k.Labels = append(k.Labels, line)
	}
	return k, nil
}

// Queues of events: the first character of the message (mq_op.h).
const (
	QueueLocalFile byte = '1'
	QueueSyslog    byte = '2'
	QueueHostInfo  byte = '3'
)

// Event is one line that an agent read somewhere.
type Event struct {
	Queue    byte
	Location string // a path; a colon in it is escaped on the wire
	Text     string
}

// AppendEvent appends the message.
func AppendEvent(dst []byte, e Event) []byte {
	dst = append(dst, e.Queue, ':')
	for i := range len(e.Location) {
		if e.Location[i] == ':' {
			dst = append(dst, '|')
		}
		dst = append(dst, e.Location[i])
	}
	dst = append(dst, ':')
	return append(dst, e.Text...)
}

// ParseEvent reads an event. analysisd drops a message whose second byte isn't a colon.
func ParseEvent(msg []byte) (Event, error) {
	if len(msg) < 3 || msg[1] != ':' {
		return Event{}, fmt.Errorf("event begins with %q: want a queue character and a colon", msg[:min(len(msg), 3)])
	}
	rest := msg[2:]
	for i := range rest {
		if rest[i] == ':' && (i == 0 || rest[i-1] != '|') {
			location := strings.ReplaceAll(string(rest[:i]), "|:", ":")
			return Event{Queue: msg[0], Location: location, Text: string(rest[i+1:])}, nil
		}
	}
	return Event{}, errors.New("event has no colon after its location")
}
