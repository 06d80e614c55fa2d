package wazuh

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
)

// maxPush bounds a pushed configuration; the manager itself keeps merged.mg below 20 MB.
const maxPush = 20 << 20

// filePush is a shared configuration on its way to the agent.
type filePush struct {
	receiving bool
	sum       string
	name      string
	content   []byte
}

// handle acts on one message of the manager. An error ends the session.
func (s *Session) handle(msg []byte) error {
	switch {
	case string(msg) == AckMessage:
		select {
		case s.acks <- struct{}{}:
		default: // nobody waits
		}
		return nil
	case bytes.HasPrefix(msg, []byte(ReconnectMessage)):
		return ErrReconnect
	case bytes.HasPrefix(msg, []byte(FileEndMessage)):
		s.finishPush()
		return nil
	}
	if sum, name, ok := ParseFileStart(msg); ok {
		s.push = filePush{receiving: true, sum: sum, name: name, content: s.push.content[:0]}
		return nil
	}
	if counter, target, payload, ok := ParseRequest(msg); ok {
		answer := s.o.OnRequest(target, payload)
		return s.send(context.Background(), AppendResponse(nil, counter, answer))
	}
	if s.push.receiving && !IsControl(msg) {
		s.push.content = append(s.push.content, msg...)
		if len(s.push.content) > maxPush {
			s.push = filePush{}
		}
	}
	return nil // active responses and database syncs: an agent without modules ignores them
}

// finishPush adopts the configuration if it arrived whole; otherwise the next keep-alive reports the
// old sum, and the manager pushes again.
func (s *Session) finishPush() {
	p := s.push
	s.push = filePush{content: p.content[:0]}
	got := md5.Sum(p.content)
	if !p.receiving || p.name != MergedFile || hex.EncodeToString(got[:]) != p.sum {
		return
	}
	s.state.Lock()
	defer s.state.Unlock()
	s.mergedSum = p.sum
}
