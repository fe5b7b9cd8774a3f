// Command preview serves every page in every state with made-up facts, to look at them without a database:
//
//	go run ./views/internal/preview -addr 127.0.0.1:8099
package main

import (
	"bytes"
	"flag"
	"fmt"
	"html"
	"log"
	"net/http"
	"time"

	"pop.store/credits/static"
	"pop.store/credits/views/internal/samples"
)

// policy is as strict as the app's, so that a style or a script that breaks it shows up here first.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'"

func main() {
	addr := flag.String("addr", "127.0.0.1:8099", "where to listen")
	flag.Parse()
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("/{$}", index)
	for _, polled := range []string{"/credits/badge", "/tools/job"} {
		mux.HandleFunc(polled, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
	for _, page := range samples.Pages() {
		mux.HandleFunc("/"+page.Name, func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			if err := page.Component.Render(r.Context(), &body); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(body.Bytes())
		})
	}
	log.Println("http://" + *addr)
	server := &http.Server{
		Addr:              *addr,
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	for _, page := range samples.Pages() {
		name := html.EscapeString(page.Name)
		fmt.Fprintf(w, "<p><a href=\"/%s\">%s</a></p>\n", name, name)
	}
}
