package static

import (
	"io/fs"
	"strings"
	"testing"
)

// WebKit does not restyle what depends on :has() when the mouse or the focus moves. No rule may rest on it.
func TestTheStylesheetDoesWithoutHas(t *testing.T) {
	t.Parallel()
	css, err := fs.ReadFile(files, "assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(css), "[data-bars]:hover") {
		t.Error("the rule that leaves one tip on a chart is gone")
	}
	if at := strings.Index(string(css), ":has("); at >= 0 {
		t.Errorf("a rule rests on :has(): %.120s", css[at:])
	}
}
