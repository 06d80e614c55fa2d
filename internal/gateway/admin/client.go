package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// maxAnswer is more than a full page of the log.
const maxAnswer = 4 << 20

// Client talks to one gateway.
type Client struct {
	// URL is https://host:port.
	URL   string
	Token wazuh.Secret
	// HTTP carries the requests, with the caller's timeouts and trust.
	HTTP *http.Client
}

// PutPolicy pushes a policy. When it returns without an error, no enrollment
// that was judged by an older one is still on its way to the manager. An
// *Outdated error says that a newer one is in force.
func (c *Client) PutPolicy(ctx context.Context, p *policy.Policy) (Pushed, error) {
	var pushed Pushed
	text, err := json.Marshal(p)
	if err != nil {
		return pushed, fmt.Errorf("encode the policy: %w", err)
	}
	return pushed, c.do(ctx, http.MethodPut, "/v1/policy", text, &pushed)
}

// State asks how the gateway is doing.
func (c *Client) State(ctx context.Context) (State, error) {
	var state State
	return state, c.do(ctx, http.MethodGet, "/v1/state", nil, &state)
}

// Enrollments reads the part of the enrollment log after a record.
func (c *Client) Enrollments(ctx context.Context, after uint64) (audit.Page, error) {
	var page audit.Page
	return page, c.do(ctx, http.MethodGet, "/v1/enrollments?after="+strconv.FormatUint(after, 10), nil, &page)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	response, err := c.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("ask the gateway: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the gateway's answer: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("read the gateway's answer: %w", err)
		}
		return nil
	}
	var p problem
	if json.Unmarshal(text, &p) != nil || p.Error == "" {
		return fmt.Errorf("%s %s: the gateway answered %s; is this its admin port?", method, path, response.Status)
	}
	if response.StatusCode == http.StatusConflict {
		return &Outdated{Generation: p.Generation}
	}
	return &Refused{Why: p.Error}
}

// Refused is the error for a request that the gateway would not carry out.
type Refused struct{ Why string }

func (r *Refused) Error() string { return "the gateway refused: " + r.Why }
