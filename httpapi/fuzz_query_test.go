package httpapi

import (
	"net/url"
	"testing"

	"minigroups/minigroup"
)

// FuzzList decodes arbitrary queries of a list. Each is refused with a list of errors, or its filters are valid, and
// its cursor is the one of its position.
func FuzzList(f *testing.F) {
	for _, query := range []string{
		"status=real-time&scope_prefix=math&host=teacher.example.org&counts=true&needs_attention=true&limit=200",
		"time_from=4102444800&time_until=4102531200&created_since=0&changed_since=253402300799",
		"room_id=90d6e205-46ad-47e9-bc38-e23f09a0cde0&request_id=a&cursor=AAZg_MsxMYBd0e1QSexczKvKE6e7GeYv",
		"time_from=2&time_until=1&limit=0&status=&room_id={90d6e205-46ad-47e9-bc38-e23f09a0cde0}&request_id=%20",
		"cursor=AAZg_MsxMYBd0e1QSexczKvKE6e7GeYv%0A", "limit=1&limit=2&scope_prefix=e%CC%81&x=%zz;", "%", "cursor=",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := decodeList(query)
		if err != nil {
			wantFewErrors(t, err)
			return
		}
		if q.limit < 1 || q.limit > maxPage {
			t.Errorf("the limit is %d", q.limit)
		}
		for _, name := range []string{q.filter.ScopePrefix, q.filter.Host} {
			if name != "" && len(minigroup.CheckName("", name)) > 0 {
				t.Errorf("%q is no name", name)
			}
		}
		if start, end := q.filter.Time.Start, q.filter.Time.End; start != nil && end != nil && *start >= *end {
			t.Errorf("the window is from %d to %d", *start, *end)
		}
		if given := cursorOf(t, query); encodePosition(q.after) != given {
			t.Errorf("the cursor %q is taken for %q", given, encodePosition(q.after))
		}
	})
}

// FuzzPage does for pages of a history what FuzzList does for lists.
func FuzzPage(f *testing.F) {
	for _, query := range []string{
		"limit=50&cursor=MTc", "cursor=MDE", "cursor=MTc%0A", "limit=201", "x=%zz", "cursor=LTE",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		before, limit, err := decodePage(query)
		if err != nil {
			wantFewErrors(t, err)
			return
		}
		if limit < 1 || limit > maxPage {
			t.Errorf("the limit is %d", limit)
		}
		if given := cursorOf(t, query); given != "" && encodeCursor(before) != given {
			t.Errorf("the cursor %q is taken for %q", given, encodeCursor(before))
		}
	})
}

func cursorOf(t *testing.T, query string) string {
	t.Helper()
	values, err := url.ParseQuery(query)
	noError(t, err)
	return values.Get("cursor")
}

func wantFewErrors(t *testing.T, err error) {
	t.Helper()
	if n := len(fieldsOf(t, err)); n == 0 || n > maxFieldErrors {
		t.Errorf("%d errors: %v", n, err)
	}
}
