package pages

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func get(handler http.Handler, path, takes string) *http.Response {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Header.Set("Accept-Encoding", takes)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer.Result()
}

// The pages come packed where the browser takes that, and stay in its cache where the
// name has a digest; a place within the pages is the first page.
func TestServing(t *testing.T) {
	handler := serving(fstest.MapFS{
		"index.html": {Data: []byte("first")}, "index.html.gz": {Data: []byte("first, packed")},
		"assets/index-x1.js": {Data: []byte("script")}, "assets/index-x1.js.gz": {Data: []byte("script, packed")},
		"assets/font.woff2": {Data: []byte("font")}, ".gitignore": {Data: []byte("*")},
	})
	for _, c := range []struct {
		path, takes, kind, encoding string
		status                      int
		stays                       bool
	}{
		{"/", "gzip, br", "text/html", "gzip", 200, false},
		{"/tenants/acme/agents", "", "text/html", "", 200, false},
		{"/.gitignore", "", "text/html", "", 200, false},
		{"/assets/../../../etc/passwd", "", "text/html", "", 200, false},
		{"/assets/index-x1.js", "gzip", "text/javascript", "gzip", 200, true},
		{"/assets/index-x1.js", "", "text/javascript", "", 200, true},
		{"/assets/font.woff2", "gzip", "font/woff2", "", 200, true},
		{"/assets/index-x2.js", "gzip", "text/plain", "", 404, false},
	} {
		got := get(handler, c.path, c.takes)
		stays := strings.Contains(got.Header.Get("Cache-Control"), "immutable")
		if got.StatusCode != c.status || got.Header.Get("Content-Encoding") != c.encoding || !strings.HasPrefix(got.Header.Get("Content-Type"), c.kind) || stays != c.stays {
			t.Errorf("%s with %q: %d %v", c.path, c.takes, got.StatusCode, got.Header)
		}
	}
}

// Without Node the program builds, and says how to get the pages.
func TestUnbuilt(t *testing.T) {
	answer := httptest.NewRecorder()
	serving(fstest.MapFS{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if text := answer.Body.String(); !strings.Contains(text, "make build") || !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%v %s", answer.Header(), text)
	}
}
