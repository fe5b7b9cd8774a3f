package views

import (
	"net/http"
	"strconv"
)

// errorText are the headline and the sentence of a page that says what went wrong.
type errorText struct{ title, text string }

var errorWordsOf = map[int]errorText{
	http.StatusBadRequest: {
		"We couldn't read that", "Something in the address or the form got lost on the way. Nothing was changed. Go back and try once more.",
	},
	http.StatusForbidden: {
		"This isn't open to you", "It may belong to someone else, or you came from another site. Start from home and try from there.",
	},
	http.StatusNotFound: {
		"This page isn't here", "The address may be mistyped, or the page has moved.",
	},
	http.StatusMethodNotAllowed: {
		"That doesn't work here", "This address is there for something else. Nothing was changed. Start from home and use the links and buttons.",
	},
	http.StatusConflict: {
		"That can't be done right now",
		"Things may have changed since you opened the page. Go back and have another look.",
	},
	http.StatusRequestEntityTooLarge: {
		"That's too much at once", "What you sent is larger than we can take. Nothing was changed. Make it shorter and try again.",
	},
	http.StatusUnprocessableEntity: {
		"That doesn't quite fit", "Nothing was changed. Go back, check what you filled in, and try again.",
	},
	http.StatusTooManyRequests: {
		"One moment, please", "That was a lot in a short time. Wait a moment, then try again.",
	},
	http.StatusServiceUnavailable: {
		"We'll be right back", "We can't answer just now. Please try again in a moment. If you were paying, look at your history first.",
	},
}

// message is the text of the error page. Unknown statuses count as server errors. Detail replaces
// the general sentence.
func (m ErrorModel) message() errorText {
	words, ok := errorWordsOf[m.Status]
	if !ok {
		words = errorText{
			"That didn't work",
			"Something went wrong on our side. If you were paying, look at your history before you try again.",
		}
	}
	if m.Detail != "" {
		words.text = m.Detail
	}
	return words
}

// code is the status as shown.
func (m ErrorModel) code() string {
	if m.Status == 0 {
		return strconv.Itoa(http.StatusInternalServerError)
	}
	return strconv.Itoa(m.Status)
}
