package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"minigroups/e2e/linearizability"
	"minigroups/minigroup"
)

// request is a request of a caller and its answer.
type request struct {
	kind  string
	what  string
	scope string
	done  bool
	// stored means that its answer is the one that is stored for its idempotency key.
	stored bool
	// failures is the number of creates of the class that had failed before this request, answered the time of the answer.
	failures int
	answered time.Time
	reply
}

// The requests of callers.
const (
	create   = "create"
	update   = "update"
	recreate = "recreate"
	cancel   = "cancel"
	retry    = "retry"
	read     = "read"
)

// requests are those that may follow the first create of a class.
var requests = []string{create, create, update, update, update, recreate, recreate, cancel, retry, read}

// maxUnanswered bounds the requests that callers wait for. The more there are, the longer the check of what they saw.
const maxUnanswered = 4

// unanswered returns the number of requests that have no answer yet.
func (s *scenario) unanswered() (n int) {
	for _, r := range s.calls {
		if !r.done {
			n++
		}
	}
	return n
}

// request lets a caller send a request to a process.
func (s *scenario) request() error {
	s.left.requests--
	var running []*process
	for _, p := range s.slots {
		if !p.dead && !p.frozen {
			running = append(running, p)
		}
	}
	if len(running) == 0 {
		return nil
	}
	p := running[s.below(len(running), "process")]
	d := s.drafts[s.below(len(s.drafts), "class")]
	r := &request{kind: create, scope: d.Scope}
	id := minigroup.NewClassID(d.Audience, d.Scope).String()
	if slices.ContainsFunc(s.calls, func(r *request) bool { return r.scope == d.Scope }) {
		r.kind = s.favourite
		if s.below(2, "another") == 1 {
			r.kind = requests[s.below(len(requests), "request")]
		}
	}
	method, path, body := http.MethodPost, "/minigroups/"+id+"/"+r.kind, "{}"
	var ifMatch *linearizability.Object
	header := map[string]string{"Prefer": fmt.Sprint("wait=", []int{20, 0, 1}[s.below(3, "wait")])}
	switch r.kind {
	case create:
		path, body = "/minigroups", s.draft(d)
		if key := s.below(4, "key"); key > 0 {
			header["Idempotency-Key"] = fmt.Sprint("key-", key, "-of-", d.Scope)
		}
	case update:
		method, path, body = http.MethodPut, "/minigroups/"+id, s.change()
		if last := s.lastSeen(d.Scope); last != nil && s.rarely(2, "if match") {
			header["If-Match"], ifMatch = last.ETag, &last.Object
		}
	case read:
		method, path = http.MethodGet, "/minigroups/"+id
		if s.below(2, "by scope") == 1 {
			path = "/audiences/" + url.PathEscape(d.Audience) + "/minigroups/" + url.PathEscape(d.Scope)
		}
		body = ""
		delete(header, "Prefer")
	}
	operation, err := r.operation(body, header)
	if err != nil {
		return err
	}
	operation.IfMatch = ifMatch
	if r.failures, err = s.failedCreates(r.scope, time.Now()); err != nil {
		return err
	}
	s.calls = append(s.calls, r)
	end := s.recorder.Begin(operation)
	r.what = fmt.Sprintf("%d: %s %s %s %v at %s", len(s.calls), r.kind, d.Scope, body, header, p.name)
	s.note("%s", r.what)
	p.callers.Go(func() {
		r.reply = p.call(r, method, path, body, header)
		end(r.answer())
		r.done, r.answered = true, time.Now()
		s.note("answer to %s: %d %s", r.what, r.status, r.text)
	})
	return nil
}

// operation describes the request for the model of the API.
func (r *request) operation(body string, header map[string]string) (o linearizability.Operation, err error) {
	o = linearizability.Operation{
		Kind: linearizability.Kind(r.kind), Class: r.scope, Key: header["Idempotency-Key"],
	}
	switch r.kind {
	case create:
		o.Draft, err = linearizability.ParseDraft([]byte(body))
	case update:
		o.Change, err = linearizability.ParseChange([]byte(body), false)
	case recreate:
		o.Kind = linearizability.Update
		o.Change, err = linearizability.ParseChange([]byte(body), true)
	}
	return o, err
}

// failedCreates returns how many creates of a class have failed until then.
func (s *scenario) failedCreates(scope string, until time.Time) (n int, err error) {
	return n, s.db.QueryRow(context.Background(), `
		SELECT count(*) FROM minigroup_history WHERE class_id = $1 AND kind = 'create_failed' AND at <= $2`,
		minigroup.NewClassID(audience, scope), until).Scan(&n)
}

// isFailure reports whether the answer says that a create of the class has failed.
func (r *request) isFailure() bool {
	failures := []minigroup.Kind{
		minigroup.UpstreamRefused, minigroup.UpstreamUnavailable, minigroup.RoomTimeChangeForbidden,
		minigroup.CapacityExceeded, minigroup.OperationCancelled,
	}
	return (r.kind == create || r.kind == retry) && slices.Contains(failures, minigroup.Kind(r.answer().Problem))
}

// answer describes the answer for the model of the API.
func (r *request) answer() linearizability.Answer {
	a := linearizability.Answer{Code: r.status, Now: time.Now().Unix(), KeyMayBeLost: !r.stored}
	switch {
	case r.status == 0:
		return linearizability.Answer{}
	case r.status >= http.StatusBadRequest:
		var problem struct{ Type string }
		if json.Unmarshal([]byte(r.text), &problem) != nil {
			problem.Type = "no JSON: " + r.text
		}
		a.Problem = problem.Type
	default:
		var err error
		if a.Object, err = linearizability.ParseObject([]byte(r.text)); err != nil {
			a.Problem = err.Error()
		}
		a.Body, a.ETag = r.text, r.etag
	}
	return a
}

// draft draws the body of a create: the first draft of a class in most cases, else another.
func (s *scenario) draft(d minigroup.Draft) string {
	host := d.Host
	if s.rarely(2, "another draft") {
		host = "another." + audience
	}
	body := map[string]any{
		"audience": d.Audience, "scope": d.Scope, "host": host, "time": []*int64{d.Time.Start, d.Time.End},
		"locked_chat": d.LockedChat,
	}
	if d.Reserve != nil {
		body["reserve"] = *d.Reserve
	}
	return encode(body)
}

// change draws the body of an update.
func (s *scenario) change() string {
	body := map[string]any{}
	switch s.below(5, "change") {
	case 0:
		body["time"] = []int64{s.begun.Unix() + 10_000, s.begun.Unix() + 20_000}
	case 1:
		body["reserve"] = 3
	case 2:
		body["host"] = "web.agent." + audience
	case 3:
		body["reserve"], body["host"] = 8, "web.other."+audience
	case 4:
		body["time"], body["reserve"] = []*int64{new(s.begun.Unix() - 60), nil}, 2
	}
	return encode(body)
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// lastSeen returns the last answer that showed a class to a caller, or nil.
func (s *scenario) lastSeen(scope string) *linearizability.Answer {
	for _, r := range slices.Backward(s.calls) {
		if r.scope == scope && r.etag != "" {
			a := r.answer()
			return &a
		}
	}
	return nil
}
