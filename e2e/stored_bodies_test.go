package e2e

import (
	"net/http"
	"testing"

	"minigroups/httpapi/httpapitest"
)

// TestWhatIsAcceptedIsStoredAsItWas has Postgres keep what the API accepts, odd characters and numbers in the tags
// above all. What is refused leaves no row.
func TestAcceptedBodiesAreStoredUnchanged(t *testing.T) {
	count := func() (n int) {
		if err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM minigroup`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	bodies := httpapitest.CreateBodies("example.org")
	accepted, refused := 0, 0
	for seed := range 60 {
		body := bodies.Example(seed)
		before := count()
		r := request(t, http.MethodPost, "/api/v1/minigroups", body)
		switch {
		case r.code == http.StatusCreated || r.code == http.StatusOK:
			accepted++
			shown := request(t, http.MethodGet, "/api/v1/minigroups/"+r.ClassID.String(), nil).want(t, http.StatusOK)
			if different, err := httpapitest.Differences(body, shown.text); err != nil || len(different) > 0 {
				t.Errorf("%v, %v: sent %s, got %s", different, err, body, shown.text)
			}
		case r.code < 400 || r.code >= 500:
			t.Errorf("%s: %d %s", body, r.code, r.text)
		default:
			refused++
			if after := count(); after != before {
				t.Errorf("%s: refused, but there are %d rows more", body, after-before)
			}
		}
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d were accepted, %d refused", accepted, refused)
	}
}
