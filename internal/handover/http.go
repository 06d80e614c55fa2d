package handover

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/onboard/kit"
	"github.com/soctalk/soctalk-ingress/internal/throttle"
	"github.com/soctalk/soctalk-ingress/internal/website"
)

//go:embed page
var page embed.FS

const (
	// maxBody is far above what a link needs.
	maxBody = 1 << 10
	// openPatience bounds the work for one press of the button.
	openPatience = 20 * time.Second
	// policy lets the page run its own script and style and nothing else, and talk
	// to where it came from and nowhere else.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// Site is the page and what its button calls.
type Site struct {
	opener  *Opener
	log     *slog.Logger
	limits  *throttle.Throttle
	metrics *metrics
	// proxies may say for whom they forward.
	proxies []netip.Prefix
}

// Handler serves GET /kit, its script and style, and POST /kit/open.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	static := func(path, kind string, text []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(text)
		})
	}
	static("/kit", "text/html; charset=utf-8", asset("kit.html"))
	static("/kit.js", "text/javascript; charset=utf-8", asset("kit.js"))
	static("/kit.css", "text/css; charset=utf-8", kit.Style())
	mux.HandleFunc("POST /kit/open", s.open)
	return guarded(mux)
}

func asset(name string) []byte {
	text, err := fs.ReadFile(page, "page/"+name)
	if err != nil {
		panic(err) // it is embedded
	}
	return text
}

// guarded has every answer guarded, errors too.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		website.Guard(w, policy)
		next.ServeHTTP(w, r)
	})
}

// answer is what the button gets.
type answer struct {
	Title  string `json:"title,omitempty"`
	Page   string `json:"page,omitempty"`
	Secret string `json:"secret,omitempty"`
	Bundle []byte `json:"bundle,omitempty"` // base64
	File   string `json:"file,omitempty"`

	Code    Code   `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Codes that are not about the link.
const (
	codeMalformed Code = "malformed"
	codeTooMany   Code = "too-many"
	codeFailed    Code = "failed"
)

// open answers a press of the button. It logs who, when and what came of it; the
// token appears in the body it reads, and nowhere else.
func (s *Site) open(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	source := throttle.Client(r, s.proxies)
	link, given, code := Link{}, Kit{}, codeTooMany
	var err error
	if s.limits.Allow(source, began) {
		if link, err = readLink(w, r); err != nil {
			code = codeMalformed
		} else {
			given, code, err = s.ask(r.Context(), link, source.String())
		}
	}
	attrs := []any{"source", source.String(), "outcome", outcome(code)}
	if link.Tenant != "" && code != CodeUnknown {
		attrs = append(attrs, "handover", link.String())
	}
	if err != nil {
		attrs = append(attrs, "detail", err.Error())
	}
	s.log.Info("open", append(attrs, "ms", time.Since(began).Milliseconds())...)
	s.metrics.opens.WithLabelValues(outcome(code)).Inc()
	s.metrics.seconds.Observe(time.Since(began).Seconds())
	reply(w, code, given)
}

func outcome(code Code) string {
	if code == "" {
		return "opened"
	}
	return string(code)
}

// ask opens the link. Once it is spent the answer must not be lost with the
// connection of an impatient browser: the work goes on without it.
func (s *Site) ask(ctx context.Context, link Link, from string) (Kit, Code, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openPatience)
	defer cancel()
	given, err := s.opener.Open(ctx, link, from)
	var closed *Closed
	switch {
	case errors.As(err, &closed):
		return Kit{}, closed.Code, closed.Err
	case err != nil:
		return Kit{}, codeFailed, err
	}
	return given, "", nil
}

func readLink(w http.ResponseWriter, r *http.Request) (Link, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return Link{}, errors.New("the content type is not application/json")
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return Link{}, errors.New("another site's page asked")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return Link{}, errors.New("the body is too long, or did not come")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var body struct {
		Link string `json:"link"`
	}
	if err := decoder.Decode(&body); err != nil {
		return Link{}, errors.New("the body is not what the page sends") // not the decoder's words, which quote it
	}
	return ParseLink(body.Link)
}

// reply sends status, words and, if there is one, the kit.
func reply(w http.ResponseWriter, code Code, given Kit) {
	status, message := http.StatusOK, ""
	if code != "" {
		status, message = said(code)
	}
	if code == codeTooMany {
		w.Header().Set("Retry-After", "60")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer{
		Title: given.Title, Page: string(given.Page), Secret: given.Secret, Bundle: given.Bundle, File: given.File,
		Code: code, Message: message,
	})
}

// said is what a customer's administrator reads. It names nobody at the provider.
func said(code Code) (int, string) {
	switch code {
	case CodeUnknown, codeMalformed:
		return http.StatusNotFound, "There is no such link. Copy it whole, with everything after the # sign, or ask for a new one."
	case CodeUsed:
		return http.StatusGone, "This link was already used. If it was not you who opened it, tell your provider now: the secret must then be replaced. The provider was notified of this attempt."
	case CodeExpired:
		return http.StatusGone, "This link has expired. Ask your provider for a new one."
	case CodeRevoked:
		return http.StatusGone, "Your provider took this link back. Ask for a new one."
	case CodeSpent:
		return http.StatusConflict, "The secret was handed over another way since this link was made. Ask your provider for a new link."
	case CodeNotReady:
		return http.StatusServiceUnavailable, "Your provider has not finished setting this up. The link is still good: try again later."
	case codeTooMany:
		return http.StatusTooManyRequests, "Too many attempts from your address. Wait a minute and try again."
	}
	return http.StatusServiceUnavailable, "Something went wrong on our side. Try again in a minute; if the link is used up then, ask your provider for a new one."
}
