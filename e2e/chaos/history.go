package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"minigroups/e2e/harness"
	"minigroups/e2e/linearizability"
	"minigroups/e2e/load"
	"minigroups/minigroup"
)

// checkTimeout bounds the check of the history of one class.
const checkTimeout = 20 * time.Second

// history records what callers saw of each class, and what was done to it.
type history struct {
	linearizability.Recorder
	mu sync.Mutex
	// seen are minigroups by class and ETag, for answers that show none.
	seen map[string]linearizability.Object
}

func newHistory() *history { return &history{seen: map[string]linearizability.Object{}} }

// begin records a request that is about to be sent. end records its answer; keyMayBeLost says that it may not have been
// stored for the key of the request.
func (h *history) begin(
	method, path string, body any, headers []string,
) (end func(a load.Answer, keyMayBeLost bool), err error) {
	o, err := operation(method, path, body)
	if err != nil {
		return nil, fmt.Errorf("record %s %s: %w", method, path, err)
	}
	tag := ""
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Idempotency-Key":
			o.Key = headers[i+1]
		case "If-None-Match":
			tag = headers[i+1]
		}
	}
	answered := h.Begin(o)
	return func(a load.Answer, keyMayBeLost bool) {
		if a.Code != http.StatusNotModified {
			tag = a.ETag
		}
		answered(h.answer(o.Class, a, tag, keyMayBeLost))
	}, nil
}

// operation returns the operation of a request.
func operation(method, path string, body any) (o linearizability.Operation, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return o, err
	}
	rest, isID := strings.CutPrefix(path, "/api/v1/minigroups")
	id, action, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	if o.Class = id; !isID {
		scope, err := url.PathUnescape(strings.TrimPrefix(path, "/api/v1/audiences/"+harness.Audience+"/minigroups/"))
		if err != nil {
			return o, err
		}
		o.Class = minigroup.NewClassID(harness.Audience, scope).String()
	}
	switch {
	case method == http.MethodGet:
		o.Kind = linearizability.Read
	case method == http.MethodPut:
		o.Kind = linearizability.Update
		o.Change, err = linearizability.ParseChange(text, false)
	case action == "recreate":
		o.Kind = linearizability.Update
		o.Change, err = linearizability.ParseChange(text, true)
	case action == "cancel":
		o.Kind = linearizability.Cancel
	case action == "retry":
		o.Kind = linearizability.Retry
	default:
		var created struct {
			Scope string `json:"scope"`
		}
		if err := json.Unmarshal(text, &created); err != nil {
			return o, err
		}
		o.Kind, o.Class = linearizability.Create, minigroup.NewClassID(harness.Audience, created.Scope).String()
		o.Draft, err = linearizability.ParseDraft(text)
	}
	return o, err
}

// answer returns an answer as the model sees it. tag is the ETag of the minigroup that it shows or stands for.
func (h *history) answer(class string, a load.Answer, tag string, keyMayBeLost bool) linearizability.Answer {
	answer := linearizability.Answer{
		Code: a.Code, Problem: a.Type, Now: time.Now().Unix(), Body: a.Text, ETag: a.ETag, KeyMayBeLost: keyMayBeLost,
	}
	if a.Code == 0 || a.Type != "" {
		return answer
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.Code == http.StatusNotModified {
		answer.Object, answer.Body = h.seen[class+tag], ""
		return answer
	}
	object, err := linearizability.ParseObject([]byte(a.Text))
	if err != nil { // then no state of the class explains it
		object.Status = err.Error()
	}
	answer.Object, h.seen[class+tag] = object, object
	return answer
}

// others records what others do to a class.
func (h *history) others(kind linearizability.Kind, class uuid.UUID) {
	h.Begin(linearizability.Operation{Kind: kind, Class: class.String()})
}

// resets returns the classes of which a run was reset. It may have begun an update that had not begun when its run was
// terminated, after others that were acknowledged since.
func (h *history) resets() map[string]bool {
	classes := map[string]bool{}
	for class, operations := range h.History() {
		classes[class] = slices.ContainsFunc(operations, func(o linearizability.Operation) bool {
			return o.Kind == linearizability.Reset
		})
	}
	return classes
}

// checkHistory records a violation for each class whose answers no order of its requests explains, and returns their
// number.
func (s *system) checkHistory(violation func(format string, args ...any)) (unexplained int) {
	err := linearizability.Check(s.history.History(), checkTimeout, filepath.Join(s.dir, "linearizability"))
	if err == nil {
		return 0
	}
	for line := range strings.Lines(err.Error()) {
		violation("class %s", strings.TrimSpace(line))
		unexplained++
	}
	return unexplained
}
