package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestTheHistorySaysWhatAClassWaitsFor(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(1795472814+s, 0) }
	w, path := worldWithHistory(t, 2)
	waits := func(want string) {
		t.Helper()
		a := w.call(t, http.MethodGet, path+"?limit=1", "").wantStatus(http.StatusOK)
		if _, waiting, _ := strings.Cut(a.text, `"waiting`); strings.TrimSpace(waiting) != want {
			t.Errorf("got  %s\nwant %s", waiting, want)
		}
	}
	w.waits = []minigroup.Wait{{
		For: "conference", Step: "create_conference_room", Activity: "CreateConferenceRoom", State: "scheduled",
		Since: at(0), NextTry: at(300), Attempts: 3, LastAnswer: "503", LastError: "503 from 192.0.2.1",
	}, {For: "worker", State: "started", Since: at(1)}, {For: "sweeper", State: "terminated"}}
	waits(`":[{"for":"conference","step":"create_conference_room","state":"scheduled","since":1795472814,` +
		`"next_try":1795473114,"attempts":3,"last_answer":"503"},` +
		`{"for":"worker","state":"started","since":1795472815,"attempts":0},` +
		`{"for":"sweeper","state":"terminated","attempts":0}]}`)

	t.Run("only the first page says so", func(t *testing.T) {
		first := w.call(t, http.MethodGet, path+"?limit=1", "")
		second := w.call(t, http.MethodGet, path+"?cursor="+first.body["next"].(string), "")
		if strings.Contains(second.text, "waiting") {
			t.Error(second.text)
		}
	})
	t.Run("without Temporal it is unknown", func(_ *testing.T) {
		w.waitsErr = errors.New("192.0.2.1 is away")
		waits(`_unknown":"Temporal did not answer within a second"}`)
	})
}

func TestTheHistoryWaitsASecondForTemporal(t *testing.T) {
	w, path := worldWithHistory(t, 1, func(d *Deps) {
		d.WaitingFor = func(ctx context.Context, _ minigroup.Minigroup) ([]minigroup.Wait, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	a := w.call(t, http.MethodGet, path, "").wantStatus(http.StatusOK)
	if entries, _ := a.body["entries"].([]any); len(entries) != 1 || a.body["waiting_unknown"] == nil {
		t.Error(a.text)
	}
}
