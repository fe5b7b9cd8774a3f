package views

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// Live pages: after each new balance the script requests the page again, with the versions of the
// parts that it shows, and gets the parts that have changed.

// Parts collects the parts of a page that differ from what a browser shows.
type Parts struct {
	shown   map[string]string
	changed bytes.Buffer
}

// ShownParts parses the parts that a browser shows: "part=version, part=version".
func ShownParts(text string) *Parts {
	p := &Parts{shown: map[string]string{}}
	for item := range strings.SplitSeq(text, ",") {
		name, version, _ := strings.Cut(strings.TrimSpace(item), "=")
		p.shown[name] = version
	}
	return p
}

// Changed is the HTML to send, which htmx puts in place; empty if nothing has changed.
func (p *Parts) Changed() []byte { return p.changed.Bytes() }

type partsKey struct{}

// WithParts makes the pages rendered with the context collect their changed parts in p.
func WithParts(ctx context.Context, p *Parts) context.Context {
	return context.WithValue(ctx, partsKey{}, p)
}

// part is a part of a live page. Its version is a hash of what it shows.
func part(name string) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		var content bytes.Buffer
		children := templ.GetChildren(ctx)
		if err := children.Render(templ.ClearChildren(ctx), &content); err != nil {
			return err
		}
		sum := fnv.New64a()
		_, _ = sum.Write(content.Bytes()) // which never fails
		version := fmt.Sprintf("%x", sum.Sum64())
		if p, ok := ctx.Value(partsKey{}).(*Parts); ok && p.shown[name] != version {
			writePart(&p.changed, name, version, ` hx-swap-oob="outerMorph"`, content.Bytes())
		}
		var out bytes.Buffer
		writePart(&out, name, version, "", content.Bytes())
		_, err := w.Write(out.Bytes())
		return err
	})
}

func writePart(b *bytes.Buffer, name, version, attributes string, content []byte) {
	fmt.Fprintf(b, `<div id="%s" class="grid grid-cols-[minmax(0,1fr)] empty:hidden" data-part="%s"%s>`,
		html.EscapeString(name), version, attributes)
	b.Write(content)
	b.WriteString("</div>")
}

// liveAttributes make an element request the changed parts of the page at path when the badge has
// shown a new balance.
func liveAttributes(path string) templ.Attributes {
	return templ.Attributes{
		"hx-get":     path,
		"hx-trigger": "balance-moved from:body",
		"hx-swap":    "none",
		"data-live":  true,
	}
}
