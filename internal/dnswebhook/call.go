package dnswebhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// mediaType names the protocol and its version.
const mediaType = "application/external.dns.webhook+json;version=1"

// mostBytes of a listing are read, and mostWords of what a provider says of an error.
const (
	mostBytes = 64 << 20
	mostWords = 300
)

// negotiate asks which names the provider is set up for, and whether it speaks our
// version at all.
func (p *Provider) negotiate(ctx context.Context) (*filter, error) {
	var found filter
	if err := p.call(ctx, http.MethodGet, "/", nil, &found); err != nil {
		return nil, err
	}
	if err := found.compile(); err != nil {
		return nil, &record.Refused{Why: fmt.Sprintf("%s tells its domains in a way that cannot be read: %v", p.url, err)}
	}
	return &found, nil
}

// call makes one request. What a retry may cure is an error; what a person must
// change is a refusal.
func (p *Provider) call(ctx context.Context, method, path string, body, answer any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, p.url+path, nil)
	if err != nil {
		return &record.Refused{Why: fmt.Sprintf("dns.webhook.url %q: %v", p.url, err)}
	}
	request.Header.Set("Accept", mediaType)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", mediaType)
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	}
	response, err := p.client.Do(request)
	if err != nil {
		return p.unreached(err)
	}
	defer func() { _ = response.Body.Close() }()
	wanted := http.StatusOK
	if answer == nil {
		wanted = http.StatusNoContent
	}
	if response.StatusCode != wanted {
		return p.unwanted(method+" "+path, response)
	}
	if path == "/" && !speaks(response.Header.Get("Content-Type")) {
		return &record.Refused{Why: fmt.Sprintf("%s answers with content type %q instead of %s: is it an external-dns webhook provider?", p.url, response.Header.Get("Content-Type"), mediaType)}
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostBytes)).Decode(answer); err != nil {
		return fmt.Errorf("%s: the answer to %s %s cannot be read: %w", p.url, method, path, err)
	}
	return nil
}

func speaks(contentType string) bool {
	kind, parameters, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/external.dns.webhook+json" && parameters["version"] == "1"
}

// unwanted repeats what the provider says of it, if it says anything.
func (p *Provider) unwanted(what string, response *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(response.Body, 4*mostWords))
	why := clean(string(said))
	if why == "" {
		why = "it does not say why; its log may"
	}
	text := fmt.Sprintf("%s answers %d (%s) to %s: %s", p.url, response.StatusCode, http.StatusText(response.StatusCode), what, why)
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests {
		return errors.New(text)
	}
	return &record.Refused{Why: text}
}

// clean makes one line of printable text of what may be a page of anything.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	text = strings.ToValidUTF8(text, "")
	if len(text) > mostWords {
		text = strings.ToValidUTF8(text[:mostWords], "") + "…"
	}
	return text
}

// unreached says why nobody answered, in words that stay the same while the trouble
// stays the same.
func (p *Provider) unreached(err error) error {
	var failure *url.Error
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: connection refused; is the provider running?", p.url)
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer in time", p.url)
	case errors.As(err, &failure):
		var op *net.OpError
		if errors.As(failure.Err, &op) {
			return fmt.Errorf("%s: %s: %w", p.url, op.Op, op.Err)
		}
		return fmt.Errorf("%s: %w", p.url, failure.Err)
	}
	return fmt.Errorf("%s: %w", p.url, err)
}
