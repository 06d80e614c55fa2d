package controlplane

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// AuditLog is the file of recorded requests; see Options.Audit.
func (c *ControlPlane) AuditLog() string { return c.layout.auditLog() }

// AuditEvent is one recorded request, as far as tests ask about it.
type AuditEvent struct {
	Verb       string `json:"verb"`
	UserAgent  string `json:"userAgent"`
	RequestURI string `json:"requestURI"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// Writes says whether the request could change something.
func (e AuditEvent) Writes() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// Writes returns the recorded writes of clients whose user agent begins with the
// given text, oldest first. A request is on record once it has been answered.
func (c *ControlPlane) Writes(userAgent string) ([]AuditEvent, error) {
	file, err := os.Open(c.AuditLog())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no audit log: start the control plane with Options.Audit: %w", err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var writes []AuditEvent
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return writes, nil // a last line without its end is still being written
		}
		var event AuditEvent
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		if event.Writes() && strings.HasPrefix(event.UserAgent, userAgent) {
			writes = append(writes, event)
		}
	}
}
