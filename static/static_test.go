package static

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func get(t *testing.T, method, path, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryAssetIsServed(t *testing.T) {
	t.Parallel()
	for name, a := range assets {
		res := get(t, http.MethodGet, Path(name), "")
		if res.Code != http.StatusOK || body(t, res.Body) != string(a.plain) {
			t.Errorf("%s: status %d or another content", name, res.Code)
		}
		for header, want := range map[string]string{
			"Cache-Control":          "public, max-age=31536000, immutable",
			"X-Content-Type-Options": "nosniff",
			"Content-Type":           a.contentType,
			"Content-Encoding":       "",
		} {
			if got := res.Header().Get(header); got != want {
				t.Errorf("%s: %s = %q, want %q", name, header, got, want)
			}
		}
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	res := get(t, http.MethodGet, Path("app.css"), "br;q=1.0, gzip;q=0.8")
	if res.Header().Get("Content-Encoding") != "gzip" || res.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("headers %v", res.Header())
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body(t, z) != string(assets["app.css"].plain) {
		t.Error("another content when compressed")
	}
	if res := get(t, http.MethodGet, Path("inter.woff2"), "gzip"); res.Header().Get("Content-Encoding") != "" {
		t.Error("a font was compressed twice")
	}
	for header, want := range map[string]bool{
		"gzip":          true,
		"GZIP":          true,
		"*":             true,
		"deflate, gzip": true,
		"gzip;q=0":      false,
		"gzip; q=0.0":   false,
		"*;q=0":         false,
		"":              false,
		"br":            false,
		"*, gzip;q=0":   false,
		"gzip;q=x":      false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("Accept-Encoding %q: %t", header, got)
		}
	}
}

// A browser must not keep the wrong file for a year.
func TestOnlyTheRightHashIsServed(t *testing.T) {
	t.Parallel()
	right := Path("app.css")
	for _, path := range []string{
		strings.Replace(right, hash, "0000000000000000", 1), "/static/app.css", "/static//app.css",
		"/static/" + hash + "/nothing.css",
		"/static/" + hash + "/", "/static/" + hash, right + "/", "/static/" + hash + "/../app.css", "/static/",
	} {
		res := get(t, http.MethodGet, path, "")
		if res.Code != http.StatusNotFound || strings.Contains(res.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %q", path, res.Code, res.Header().Get("Cache-Control"))
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	res := get(t, http.MethodHead, Path("app.js"), "")
	length, _ := strconv.Atoi(res.Header().Get("Content-Length")) // 0 when there is none
	if res.Code != http.StatusOK || body(t, res.Body) != "" || length <= 0 {
		t.Errorf("HEAD: status %d, length %d", res.Code, length)
	}
	if res := get(t, http.MethodPost, Path("app.js"), ""); res.Code != http.StatusMethodNotAllowed ||
		res.Header().Get("Allow") == "" {
		t.Errorf("POST: status %d", res.Code)
	}
}

func TestUnknownNamesPanic(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Path("nothing.css")
}

// What the stylesheet asks for must be there under a relative address, so that it comes with the
// same hash, and must be ours.
func TestStylesheetIsSelfContained(t *testing.T) {
	t.Parallel()
	found := 0
	urls := regexp.MustCompile(`url\(["']?([^"')]+)`)
	for _, match := range urls.FindAllStringSubmatch(string(assets["app.css"].plain), -1) {
		if strings.HasPrefix(match[1], "data:") {
			continue
		}
		found++
		if _, ok := assets[match[1]]; !ok {
			t.Errorf("the stylesheet asks for %q", match[1])
		}
	}
	if found != 2 {
		t.Errorf("%d fonts in the stylesheet, want 2", found)
	}
}

func TestTheScriptIsBuiltAndHasNoEval(t *testing.T) {
	t.Parallel()
	script := string(assets["app.js"].plain)
	for _, bad := range []string{"eval(", "new Function", "innerHTML", "document.write", ".style."} {
		if strings.Contains(script, bad) {
			t.Errorf("app.js has %q", bad)
		}
	}
	if licences, err := fs.ReadFile(files, "assets/LICENSES.txt"); err != nil ||
		!strings.Contains(string(licences), "SIL OPEN FONT LICENSE") {
		t.Errorf("licences: %v", err)
	}
}
