// Package pages serves the console's pages. They are built from console/ into dist
// (make console), which is embedded; where that was not done, the program is built all
// the same and one plain page says so. dist/.gitignore keeps the folder in the
// repository and what is built out of it.
package pages

import (
	"bytes"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var built embed.FS

const unbuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>soctalk-ingress console</title>
<h1>The console's pages were not built into this program</h1>
<p>Its API works. Run <code>make build</code> on a machine with Node.js 20 or newer, or use the image of a release.</p></html>
`

// Built says whether the pages are in this program.
func Built() bool {
	_, err := built.Open("dist/index.html")
	return err == nil
}

// Handler serves the pages. A path without a file is a place within them, and gets
// the first page.
func Handler() http.Handler {
	files, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // it is embedded
	}
	return serving(files)
}

func serving(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		text, err := fs.ReadFile(files, name)
		if err != nil || strings.HasPrefix(path.Base(name), ".") {
			if path.Ext(name) != "" && strings.HasPrefix(name, "assets/") {
				http.NotFound(w, r)
				return
			}
			name = "index.html"
			if text, err = fs.ReadFile(files, name); err != nil {
				text = []byte(unbuilt)
			}
		}
		// What is built has a digest in its name, but for the first page.
		if strings.HasPrefix(name, "assets/") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		w.Header().Set("Vary", "Accept-Encoding")
		if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		if packed, err := fs.ReadFile(files, name+".gz"); err == nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			text = packed
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
	})
}
