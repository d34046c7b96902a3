package e2e

import (
	"errors"
	"net/http"
	"testing"
)

// assertWaits waits at an API for a class that another API creates and moves.
func assertWaits(t *testing.T, api string) {
	t.Helper()
	c := newClass(t)
	type answer struct {
		reply
		err error
	}
	waitFor := func(tag string) <-chan answer {
		answered := make(chan answer, 1)
		go func() {
			r, err := sendTo(t.Context(), api, http.MethodGet, c.path(), nil, "Prefer", "wait=60", "If-None-Match", tag)
			answered <- answer{r, err}
		}()
		return answered
	}
	last := c.postAsync().header.Get("ETag")
	for status := any("creating"); status != "real-time"; {
		r := <-waitFor(last)
		if r.err != nil || r.code != http.StatusOK {
			t.Fatalf("got %d %s, %v", r.code, r.text, r.err)
		}
		last, status = r.header.Get("ETag"), r.Status
	}
	moved := c.start
	eventually(t, func() error { // the change may be faster than the request that is to wait for it
		answered := waitFor(last)
		moved += 60
		c.put(window(moved, c.start+3600)).want(t, http.StatusOK)
		for {
			r := <-answered
			if r.err != nil || r.code != http.StatusOK {
				t.Fatalf("got %d %s, %v", r.code, r.text, r.err)
			}
			last = r.header.Get("ETag")
			switch {
			case r.Update != nil || *r.Time[0] != moved: // the change has begun
				answered = waitFor(last)
			case r.header.Get("Preference-Applied") != "wait=60":
				return errors.New("the request did not wait")
			default:
				return nil
			}
		}
	})
	if now := c.get(); now.header.Get("ETag") != last {
		t.Errorf("it is %s, its ETag was %s", now.text, last)
	}
}
