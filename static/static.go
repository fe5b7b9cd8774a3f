// Package static holds the built stylesheet, the fonts, htmx and the script. They are embedded, and
// served under a path that names their content, so that a browser may keep them for good and never
// shows a page with the files of another version.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var files embed.FS

// asset is one file, ready to be sent.
type asset struct {
	contentType string
	plain       []byte
	// zipped is nil for files that are compressed already.
	zipped []byte
}

// The content is fixed when the binary is built: it is read, hashed and compressed once, at start.
// Nothing here can fail in a binary that passed its tests, so a failure panics.
var assets, hash = load()

// Path is where the asset is served: "/static/<hash>/app.css". The hash is one for all assets, so
// that relative addresses in the stylesheet lead to the fonts of the same build. It panics on a
// name that there is no asset of: a mistake in a template.
func Path(name string) string {
	if _, ok := assets[name]; !ok {
		panic("static: no asset " + strconv.Quote(name))
	}
	return "/static/" + hash + "/" + name
}

// Handler serves GET and HEAD of what Path names, and 404 for any other hash or name: an address
// from another build must not be answered, or a browser would keep the wrong file for a year.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	given, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/static/"), "/")
	a, ok := assets[name]
	if !ok || given != hash {
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	}
	body, header := a.plain, w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	if a.zipped != nil {
		header.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			header.Set("Content-Encoding", "gzip")
			body = a.zipped
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		// The browser went away: there is nobody left to tell.
		_, _ = w.Write(body)
	}
}

// acceptsGzip reads an Accept-Encoding header: gzip or * is named, and not with a weight of zero.
func acceptsGzip(header string) bool {
	accepted := false
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		coding = strings.TrimSpace(coding)
		if coding != "gzip" && coding != "*" {
			continue
		}
		q, _ := strings.CutPrefix(strings.TrimSpace(weight), "q=")
		n, err := strconv.ParseFloat(q, 64)
		accepted = q == "" || (err == nil && n > 0)
		if coding == "gzip" {
			return accepted
		}
	}
	return accepted
}

var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

func load() (map[string]asset, string) {
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		panic(err)
	}
	sum, out := sha256.New(), make(map[string]asset, len(entries))
	for _, entry := range entries {
		name := entry.Name()
		data, err := fs.ReadFile(files, "assets/"+name)
		if err != nil {
			panic(err)
		}
		contentType, ok := contentTypes[path.Ext(name)]
		if !ok {
			panic("static: no content type for " + strconv.Quote(name))
		}
		// Names and lengths are part of the hash, so that no two sets of files have the same.
		fmt.Fprintf(sum, "%q %d\n", name, len(data))
		sum.Write(data)
		a := asset{contentType: contentType, plain: data}
		if path.Ext(name) != ".woff2" {
			a.zipped = compress(data)
		}
		out[name] = a
	}
	return out, hex.EncodeToString(sum.Sum(nil)[:8])
}

func compress(data []byte) []byte {
	var buffer bytes.Buffer
	w, err := gzip.NewWriterLevel(&buffer, gzip.BestCompression)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buffer.Bytes()
}
