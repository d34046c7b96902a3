package workflows

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestALongSummaryIsCutOff(t *testing.T) {
	for n, want := range map[int]string{
		99: strings.Repeat("Ж", 99), 100: strings.Repeat("Ж", 100), 101: strings.Repeat("Ж", 99) + "…",
		300: strings.Repeat("Ж", 99) + "…",
	} {
		if got := summary("%s", strings.Repeat("Ж", n)); got != want || len(got) > 400 {
			t.Errorf("of %d runes are left %q", n, got)
		}
	}
}

func TestWorkflowID(t *testing.T) {
	t.Run("both parts are escaped, so no two pairs share an id", func(t *testing.T) {
		for _, c := range []struct{ audience, scope, want string }{
			{"example.org", "math-7b", "minigroup/example.org/math-7b"},
			{"example.org", "math/7b", "minigroup/example.org/math%2F7b"},
			{"example.org/math", "7b", "minigroup/example.org%2Fmath/7b"},
			{"example.org", "100 % Ж", "minigroup/example.org/100%20%25%20%D0%96"},
			{"example.org", "100%20", "minigroup/example.org/100%2520"},
		} {
			if id := WorkflowID(c.audience, c.scope); id != c.want {
				t.Errorf("%q, %q: %q, want %q", c.audience, c.scope, id, c.want)
			}
		}
	})
	t.Run("ids that would be too long end in different hashes", func(t *testing.T) {
		seen := map[string]string{}
		for _, scope := range []string{
			strings.Repeat("a", 255), strings.Repeat("a", 254) + "b", strings.Repeat("a", 254),
			strings.Repeat("Ж", 255), strings.Repeat("Ж", 254),
		} {
			id := WorkflowID("example.org", scope)
			if len(id) > 255 || !strings.HasPrefix(id, "minigroup/example.org/") || !strings.Contains(id, "~") {
				t.Errorf("%q of %d bytes", id, len(id))
			}
			if other, ok := seen[id]; ok {
				t.Errorf("%q and %q share an id", scope, other)
			}
			seen[id] = scope
		}
	})
	t.Run("an id of the maximum length is not shortened", func(t *testing.T) {
		scope := strings.Repeat("a", 255-len("minigroup/example.org/"))
		if id := WorkflowID("example.org", scope); id != "minigroup/example.org/"+scope || len(id) != 255 {
			t.Errorf("%q of %d bytes", id, len(id))
		}
		if id := WorkflowID("example.org", scope+"a"); len(id) != 255 || strings.HasSuffix(id, "a"+scope) {
			t.Errorf("%q of %d bytes", id, len(id))
		}
	})
	t.Run("no short scope has the id of a long one", func(t *testing.T) {
		long := WorkflowID("example.org", strings.Repeat("a", 255))
		scope, err := url.PathUnescape(strings.TrimPrefix(long, "minigroup/example.org/"))
		if err != nil {
			t.Fatal(err)
		}
		if WorkflowID("example.org", scope) == long {
			t.Error("a short scope shares the id of a long one")
		}
	})
}

func TestSummary(t *testing.T) {
	for name, scope := range map[string]string{
		"of one byte each":   strings.Repeat("a", 255),
		"of four bytes each": strings.Repeat("𝄞", 255),
		"of broken UTF-8":    strings.Repeat("\xff", 255),
	} {
		t.Run("a summary with characters "+name+" has at most 400 bytes", func(t *testing.T) {
			text := summary("Create %s for %s", scope, "example.org")
			if len(text) > 400 || !utf8.ValidString(text) ||
				!strings.HasPrefix(text, "Create ") || !strings.HasSuffix(text, "…") {
				t.Errorf("%q of %d bytes", text, len(text))
			}
		})
	}
	t.Run("a short summary is not shortened", func(t *testing.T) {
		if text := summary("Create %s for %s", "math-7b", "example.org"); text != "Create math-7b for example.org" {
			t.Errorf("%q", text)
		}
	})
}
