package pages

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func get(handler http.Handler, path, encoding string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Header.Set("Accept-Encoding", encoding)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestPages(t *testing.T) {
	handler := serving(fstest.MapFS{
		"index.html": {Data: []byte("<first>")}, "assets/a-1f.js": {Data: []byte("script")}, "assets/a-1f.js.gz": {Data: []byte("packed")}, ".gitignore": {Data: []byte("*")},
	})
	for _, c := range []struct{ path, encoding, body, kind, cached string }{
		{"/", "", "<first>", "text/html", ""},
		{"/tenants/acme.corp", "", "<first>", "text/html", ""},
		{"/assets/a-1f.js", "", "script", "javascript", "immutable"},
		{"/assets/a-1f.js", "br, gzip", "packed", "javascript", "immutable"},
		{"/.gitignore", "", "<first>", "text/html", ""},
		{"/../../etc/passwd", "", "<first>", "text/html", ""},
	} {
		got := get(handler, c.path, c.encoding)
		if got.Code != 200 || got.Body.String() != c.body || !strings.Contains(got.Header().Get("Content-Type"), c.kind) || !strings.Contains(got.Header().Get("Cache-Control"), c.cached) {
			t.Errorf("%s: %d %q %v", c.path, got.Code, got.Body, got.Header())
		}
	}
	if got := get(handler, "/assets/gone.js", ""); got.Code != 404 {
		t.Errorf("an asset that is gone: %d %s", got.Code, got.Body)
	}
	if got := get(serving(fstest.MapFS{}), "/", ""); !strings.Contains(got.Body.String(), "make build") {
		t.Errorf("without pages: %s", got.Body)
	}
}
