package pages

import (
	"bytes"
	"compress/gzip"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"pop.store/credits/views"
)

// shownHeader lists the parts that a live page shows, with their versions.
const shownHeader = "Credits-Shown"

// render makes the whole page before it sends a byte, so that a failure becomes an error page and
// not half a page. A live page sends the versions of its parts: it gets the changed parts, or 204
// if none has changed.
func render(c echo.Context, status int, component templ.Component) error {
	ctx := c.Request().Context()
	var page bytes.Buffer
	shown := c.Request().Header.Get(shownHeader)
	if shown == "" || status != http.StatusOK {
		if err := component.Render(ctx, &page); err != nil {
			return err
		}
		return sendHTML(c, status, page.Bytes())
	}
	parts := views.ShownParts(shown)
	if err := component.Render(views.WithParts(ctx, parts), &page); err != nil {
		return err
	}
	if len(parts.Changed()) == 0 {
		return c.NoContent(http.StatusNoContent)
	}
	return sendHTML(c, status, parts.Changed())
}

// minCompressed is the smallest body worth compressing.
const minCompressed = 500 // bytes

func sendHTML(c echo.Context, status int, html []byte) error {
	h := c.Response().Header()
	h.Add("Vary", "Accept-Encoding, Sec-Fetch-Site")
	if len(html) < minCompressed || !mayCompress(c.Request()) {
		return c.HTMLBlob(status, html)
	}
	zipped, err := compressed(html)
	if err != nil {
		return err
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("Content-Length", strconv.Itoa(len(zipped)))
	return c.HTMLBlob(status, zipped)
}

// mayCompress reports whether a response may be compressed. The length of a compressed body reveals
// whether text of the request occurs in it (BREACH), so only requests from the site itself are
// compressed.
func mayCompress(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "same-origin" || site == "none") && acceptsGzip(r.Header.Values("Accept-Encoding"))
}

// acceptsGzip reports whether Accept-Encoding names gzip with a weight above zero.
func acceptsGzip(values []string) bool {
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, params, err := mime.ParseMediaType(strings.TrimSpace(item))
		if err != nil || coding != "gzip" {
			continue
		}
		weight, err := strconv.ParseFloat(params["q"], 64)
		return params["q"] == "" || (err == nil && weight > 0)
	}
	return false
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func compressed(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&out)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
