package workflows

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestWorkflowID(t *testing.T) {
	t.Run("both parts are escaped, so that no two pairs share an id", func(t *testing.T) {
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
	t.Run("what would be too long ends in a hash, and differs as it would have", func(t *testing.T) {
		seen := map[string]string{}
		for _, scope := range []string{
			strings.Repeat("a", 255), strings.Repeat("a", 254) + "b", strings.Repeat("a", 254), strings.Repeat("Ж", 255), strings.Repeat("Ж", 254),
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
	t.Run("an id that just fits is whole", func(t *testing.T) {
		scope := strings.Repeat("a", 255-len("minigroup/example.org/"))
		if id := WorkflowID("example.org", scope); id != "minigroup/example.org/"+scope || len(id) != 255 {
			t.Errorf("%q of %d bytes", id, len(id))
		}
		if id := WorkflowID("example.org", scope+"a"); len(id) != 255 || strings.HasSuffix(id, "a"+scope) {
			t.Errorf("%q of %d bytes", id, len(id))
		}
	})
	t.Run("a short id that looks like a hashed one is not taken for it", func(t *testing.T) {
		long := WorkflowID("example.org", strings.Repeat("a", 255))
		scope, err := url.PathUnescape(strings.TrimPrefix(long, "minigroup/example.org/"))
		if err != nil {
			t.Fatal(err)
		}
		if WorkflowID("example.org", scope) == long {
			t.Error("a scope can be chosen that shares the id of a long one")
		}
	})
}

func TestClassOf(t *testing.T) {
	for _, names := range [][2]string{{"example.org", "math-7b"}, {"a/b", "c d/%2F ~ ä"}, {"", ""}} {
		id := WorkflowID(names[0], names[1])
		if class, ok := ClassOf(id); !ok || class != minigroup.ClassID(names[0], names[1]) {
			t.Errorf("%s is that of %s, %v", id, class, ok)
		}
	}
	for _, id := range []string{
		WorkflowID("example.org", strings.Repeat("a", 255)), roomWorkflowID(minigroup.EventRoom, uuid.New()), "minigroup/x", "", "minigroup/%zz/x",
	} {
		if class, ok := ClassOf(id); ok {
			t.Errorf("%s is said to be that of %s", id, class)
		}
	}
}

func TestSummary(t *testing.T) {
	for name, scope := range map[string]string{
		"of one byte each": strings.Repeat("a", 255), "of four bytes each": strings.Repeat("𝄞", 255), "broken UTF-8": strings.Repeat("\xff", 255),
	} {
		t.Run("a summary stays within 400 bytes: "+name, func(t *testing.T) {
			text := summary("Create %s for %s", scope, "example.org")
			if len(text) > 400 || !utf8.ValidString(text) || !strings.HasPrefix(text, "Create ") || !strings.HasSuffix(text, "…") {
				t.Errorf("%q of %d bytes", text, len(text))
			}
		})
	}
	t.Run("a short one is whole", func(t *testing.T) {
		if text := summary("Create %s for %s", "math-7b", "example.org"); text != "Create math-7b for example.org" {
			t.Errorf("%q", text)
		}
	})
}
