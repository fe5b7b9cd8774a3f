package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// reportEval reports a refused eval: the only violation that the browser does not log when a script
// catches it.
const reportEval = `addEventListener("securitypolicyviolation", (e) => {
	if (/eval/.test(e.blockedURI))
		console.error("Content Security Policy: " + e.effectiveDirective + " refuses " + e.blockedURI);
})`

// watch collects a page's problems. Chromedp calls event on the goroutine that reads the browser's
// messages, so it must not block.
type watch struct {
	mu       sync.Mutex
	seen     []string
	allowed  []string
	requests map[network.RequestID]string // "GET http://...", to name a request that fails later
	status   int64                        // of the last document
	dismiss  func()                       // closes a dialog, which would block the page
}

func (w *watch) event(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		w.console(e)
	case *runtime.EventExceptionThrown:
		if text := exception(e.ExceptionDetails); !strings.Contains(text, abortedFade) {
			w.note("exception: %s", text)
		}
	case *log.EventEntryAdded:
		w.entry(e.Entry)
	case *network.EventRequestWillBeSent:
		if w.requests == nil {
			w.requests = map[network.RequestID]string{}
		}
		w.requests[e.RequestID] = e.Request.Method + " " + e.Request.URL
	case *network.EventResponseReceived:
		w.response(e)
	case *network.EventLoadingFailed:
		w.failed(e)
	case *inspector.EventTargetCrashed:
		w.note("the page crashed")
	case *page.EventJavascriptDialogOpening:
		w.note("dialog: %s %q", e.Type, e.Message)
		go w.dismiss()
	}
}

func (w *watch) console(e *runtime.EventConsoleAPICalled) {
	if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
		w.logged(arguments(e.Args))
	}
}

// failed records a failed request, except for requests that were cancelled by leaving the page, and
// those refused by the content security policy, which the log has.
func (w *watch) failed(e *network.EventLoadingFailed) {
	if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" && e.BlockedReason == "" {
		w.note("request: %s %s", e.ErrorText, w.requests[e.RequestID])
	}
}

// entry reads the browser's log. It skips failed requests, which the log names without method or
// URL: the network's events have them.
func (w *watch) entry(e *log.Entry) {
	if e.Level == log.EntryLevelError && e.Source != log.EntrySourceNetwork {
		w.logged(e.Text + where(e.URL, e.LineNumber))
	}
}

// logged notes a line of the console.
func (w *watch) logged(text string) {
	kind := "console error"
	if strings.Contains(text, "Content Security Policy") {
		kind = "CSP"
	}
	w.note("%s: %s", kind, text)
}

// response records error statuses. A document may answer 4xx, since tests of error pages request
// it. Scripts, styles and requests of the page's script may not.
func (w *watch) response(e *network.EventResponseReceived) {
	document := e.Type == network.ResourceTypeDocument
	if document {
		w.status = e.Response.Status
	}
	if e.Response.Status >= 500 || (e.Response.Status >= 400 && !document) {
		w.note("request: status %d %s", e.Response.Status, w.requests[e.RequestID])
	}
}

func (w *watch) note(format string, args ...any) {
	w.seen = append(w.seen, fmt.Sprintf(format, args...))
}

func (w *watch) allow(parts ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = append(w.allowed, parts...)
}

// problems lists what was seen and not allowed.
func (w *watch) problems() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var left []string
next:
	for _, text := range w.seen {
		for _, part := range w.allowed {
			if strings.Contains(text, part) {
				continue next
			}
		}
		left = append(left, text)
	}
	return left
}

func (w *watch) documentStatus() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.status)
}

// arguments formats the arguments of console.error: strings as they are, other values as the
// console describes them.
func arguments(args []*runtime.RemoteObject) string {
	parts := make([]string, len(args))
	for i, arg := range args {
		switch {
		case json.Unmarshal(arg.Value, &parts[i]) == nil:
		case arg.Description != "":
			parts[i] = arg.Description
		default:
			parts[i] = string(arg.Value)
		}
	}
	return strings.Join(parts, " ")
}

// abortedFade is thrown by Chromium itself, where no script can catch it, when pages follow one
// another faster than their transitions.
const abortedFade = "InvalidStateError: Transition was aborted because of invalid state"

func exception(d *runtime.ExceptionDetails) string {
	text := d.Text
	if d.Exception != nil {
		text += " " + arguments([]*runtime.RemoteObject{d.Exception})
	}
	return text + where(d.URL, d.LineNumber)
}

func where(url string, line int64) string {
	if url == "" {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", url, line+1)
}
