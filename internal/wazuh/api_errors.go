package wazuh

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Error codes of the manager API that callers care about.
const (
	CodeNotReady      = 1017 // daemons are still starting
	CodeNoAgent       = 1701 // agent doesn't exist
	CodeManagerAgent  = 1703 // agent 000 is the manager itself
	CodeAuthdDown     = 1726 // authd isn't running; it is the one that removes agents
	CodeFilteredOut   = 1731 // agent exists but the filters exclude it
	CodeDenied        = 4000 // RBAC
	CodeLoginsBlocked = 6000 // too many failed logins from this address
	CodeTooMany       = 6001 // requests per minute, of all clients together
)

// Problem is an answer of the API that isn't a success (problem+json).
type Problem struct {
	Request     string `json:"-"`
	Status      int    `json:"-"`
	Title       string `json:"title"`
	Detail      string `json:"detail"`
	Remediation string `json:"remediation"`
	Code        int    `json:"error"`
}

func (p *Problem) Error() string {
	text := fmt.Sprintf("%s: %d %s", p.Request, p.Status, p.Title)
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if p.Code != 0 {
		text += fmt.Sprintf(" (error %d)", p.Code)
	}
	return text
}

// maxProblemText keeps a proxy's error page out of our messages.
const maxProblemText = 200

func parseProblem(request string, status int, body []byte) *Problem {
	p := &Problem{}
	if err := json.Unmarshal(body, p); err != nil {
		p = &Problem{}
	}
	if p.Title == "" {
		p.Title = http.StatusText(status)
	}
	p.Title, p.Detail = shorten(p.Title), shorten(p.Detail)
	p.Request, p.Status = request, status
	return p
}

func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxProblemText {
		return strings.ToValidUTF8(s[:maxProblemText], "") + "..."
	}
	return s
}

// FailedItem is a part of a request that failed, and the ids it failed for.
type FailedItem struct {
	Error struct {
		Code        int    `json:"code"`
		Message     string `json:"message"`
		Remediation string `json:"remediation"`
	} `json:"error"`
	IDs []string `json:"id"`
}

// PartialError is a success by its HTTP status whose envelope says that something, or all, failed.
type PartialError struct {
	Request string
	Message string
	Failed  []FailedItem
}

func (e *PartialError) Error() string {
	var parts []string
	for _, f := range e.Failed {
		ids := f.IDs
		const shown = 5
		if len(ids) > shown {
			ids = append(slices.Clone(ids[:shown]), fmt.Sprintf("and %d more", len(f.IDs)-shown))
		}
		parts = append(parts, fmt.Sprintf("%s: %s (error %d)", strings.Join(ids, ", "), shorten(f.Error.Message), f.Error.Code))
	}
	return fmt.Sprintf("%s: %s: %s", e.Request, shorten(e.Message), strings.Join(parts, "; "))
}

// HasCode reports whether one of the failures has this code.
func (e *PartialError) HasCode(code int) bool {
	return slices.ContainsFunc(e.Failed, func(f FailedItem) bool { return f.Error.Code == code })
}

// IDs returns the ids that failed with this code.
func (e *PartialError) IDs(code int) []string {
	var ids []string
	for _, f := range e.Failed {
		if f.Error.Code == code {
			ids = append(ids, f.IDs...)
		}
	}
	return ids
}

// HasCode reports whether err carries an API error code, as a whole or for one item.
func HasCode(err error, code int) bool {
	var problem *Problem
	if errors.As(err, &problem) && problem.Code == code {
		return true
	}
	var partial *PartialError
	return errors.As(err, &partial) && partial.HasCode(code)
}

// notReady reports whether the same request may succeed in a moment.
func notReady(err error) bool {
	var problem *Problem
	if errors.As(err, &problem) && problem.Status == http.StatusTooManyRequests {
		return true
	}
	return HasCode(err, CodeNotReady) || HasCode(err, CodeAuthdDown)
}

// envelope is the form of every successful answer.
type envelope struct {
	Data    json.RawMessage `json:"data"`
	Message string          `json:"message"`
	Error   int             `json:"error"` // 0 all well, 1 all failed, 2 some failed
}

// decodeEnvelope decodes data into out even when parts failed: the caller learns what was done.
func decodeEnvelope(request string, body []byte, out any) error {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("%s: the answer is not the API's: %w", request, err)
	}
	if len(e.Data) > 0 {
		if err := json.Unmarshal(e.Data, out); err != nil {
			return fmt.Errorf("%s: data of the answer: %w", request, err)
		}
	}
	var items struct {
		Failed []FailedItem `json:"failed_items"`
	}
	if len(e.Data) > 0 && json.Unmarshal(e.Data, &items) != nil {
		items.Failed = nil // data isn't a list
	}
	if e.Error == 0 && len(items.Failed) == 0 {
		return nil
	}
	return &PartialError{Request: request, Message: e.Message, Failed: items.Failed}
}
