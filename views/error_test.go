package views_test

import (
	"net/http"
	"strings"
	"testing"

	"pop.store/credits/views"
)

// What nobody has worded yet is a failure of ours; a sentence about the case itself says more than
// the general one.
func TestErrorText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model views.ErrorModel
		want  string
	}{
		{views.ErrorModel{}, "500That didn't workSomething went wrong on our side."},
		{views.ErrorModel{Status: http.StatusGatewayTimeout}, "504That didn't workSomething went wrong on our side."},
		{
			views.ErrorModel{Status: http.StatusServiceUnavailable},
			"503We'll be right backWe can't answer just now. Please try again in a moment.",
		},
		{
			views.ErrorModel{Status: http.StatusForbidden},
			"403This isn't open to youIt may belong to someone else, or you came from another site.",
		},
		{views.ErrorModel{Status: http.StatusConflict}, "409That can't be done right nowThings may have changed"},
		{
			views.ErrorModel{Status: http.StatusConflict, Detail: "This is paid."},
			"409That can't be done right nowThis is paid.Go home",
		},
	} {
		if got := text(one(t, render(t, views.ErrorPage(c.model)), testID("error-page"))); !strings.HasPrefix(got,
			c.want) {
			t.Errorf("%+v: %q, want %q", c.model, got, c.want)
		}
	}
}
