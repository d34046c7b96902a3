package linearizability

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// phase is how far a class is.
type phase string

const (
	absent   phase = "absent"
	creating phase = "creating"
	failed   phase = "failed"
	ready    phase = "real-time"
	closed   phase = "closed"
)

// unknown is a value that the next answer determines.
const unknown = "?"

// token is something that may still happen to a class, once: a create, a retry, an update or the close of its room.
type token struct {
	kind   Kind
	draft  Draft
	change Change
	// ifMatch is the minigroup that the update is made for; nil if it is made for any.
	ifMatch *Object
	// owner is the operation whose answer takes the token away if it is not spent by then; 0 if it stays.
	owner int64
	text  string // of all the above, for comparison
}

func newToken(kind Kind, o Operation, owner int64) token {
	return token{draft: o.Draft, change: o.Change, ifMatch: o.IfMatch, owner: owner}.as(kind)
}

// as returns the token as one of another kind.
func (t token) as(kind Kind) token {
	t.kind, t.text = kind, fmt.Sprintf("%s %s%v %v %d;", kind, t.draft.Key, t.change, t.ifMatch, t.owner)
	return t
}

// state is one of the states that a class may have. It is not changed after it was made.
type state struct {
	phase  phase
	draft  string // the key of the draft that creates or created it
	values Values
	// eventRoom and conferenceRoom are empty while they are unknown. Rooms in oldRooms do not come back.
	eventRoom, conferenceRoom, oldRooms string
	shown                               Shown
	// stored are the bodies that idempotency keys replay.
	stored map[string]string
	tokens []token // sorted
}

// base describes everything except the tokens.
func (s state) base() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%v|%s|%s|%s|%v", s.phase, s.draft, s.values, s.eventRoom, s.conferenceRoom, s.oldRooms, s.shown)
	for _, key := range slices.Sorted(maps.Keys(s.stored)) {
		fmt.Fprintf(&b, "|%s=%s", key, s.stored[key])
	}
	return b.String()
}

// key describes the state.
func (s state) key() string {
	var b strings.Builder
	b.WriteString(s.base())
	for _, t := range s.tokens {
		b.WriteString(t.text)
	}
	return b.String()
}

func (s state) String() string {
	text := string(s.phase)
	if s.phase != absent {
		text += " " + s.values.String()
	}
	if s.eventRoom != "" {
		text += fmt.Sprintf(" rooms %.8s and %.8s", s.eventRoom, s.conferenceRoom)
	}
	if s.shown.State != "" {
		text += ", " + s.shown.String()
	}
	for i, t := range s.tokens {
		text += []string{"; may still: ", ", "}[min(i, 1)] + string(t.kind)
		switch t.kind {
		case Create:
			text += " " + t.draft.String()
		case Update:
			text += " " + t.change.String()
		}
	}
	return text
}

func compareTokens(a, b token) int { return strings.Compare(a.text, b.text) }

// with returns the state with another token.
func (s state) with(t token) state {
	s.tokens = append(slices.Clone(s.tokens), t)
	slices.SortFunc(s.tokens, compareTokens)
	return s
}

// without returns the state without the token at i.
func (s state) without(i int) state {
	s.tokens = slices.Delete(slices.Clone(s.tokens), i, i+1)
	return s
}

// withoutOwn returns the state without the token of an operation.
func (s state) withoutOwn(owner int64) state {
	for i, t := range s.tokens {
		if t.owner == owner {
			return s.without(i)
		}
	}
	return s
}

// storing returns the state in which a key replays a body.
func (s state) storing(key, body string) state {
	s.stored = maps.Clone(s.stored)
	if s.stored == nil {
		s.stored = map[string]string{}
	}
	s.stored[key] = body
	return s
}

// isReady reports whether the class has become ready.
func (s state) isReady() bool { return s.phase == ready || s.phase == closed }

// begun returns the state in which a draft is being created.
func (s state) begun(d Draft) state {
	s.phase, s.draft, s.values, s.shown = creating, d.Key, d.Values, Shown{}
	return s
}

// next returns the states that may follow without a request on the way to a goal. now is a time in unix seconds: an end
// may have passed. drafts are all that were ever requested.
func (s state) next(now int64, drafts []Draft, g goal) (next []state) {
	switch s.phase {
	case creating:
		established, undone := s, s
		established.phase, undone.phase = ready, failed
		next = append(next, established, undone)
	case ready:
		if passed(s.values.End, now) {
			ended := s
			ended.phase = closed
			next = append(next, ended)
		}
	}
	for i, t := range s.tokens {
		if i > 0 && s.tokens[i-1].text == t.text {
			continue // the same as before
		}
		switch {
		case t.kind == Create && !s.isReady():
			next = append(next, s.without(i).begun(t.draft))
		case t.kind == Retry && !s.isReady():
			for _, d := range drafts {
				next = append(next, s.without(i).begun(d))
			}
		case t.kind == CloseRoom && s.phase == ready:
			ended := s.without(i)
			ended.phase, ended.values.End = closed, unknown
			next = append(next, ended)
		case t.kind == Update && s.isReady():
			next = append(next, s.update(i, now, g)...)
		}
	}
	return next
}

// update returns the states that may follow because of the update at i of the tokens.
func (s state) update(i int, now int64, g goal) (next []state) {
	c := s.tokens[i].change
	if g.shows(Shown{"running", c}) {
		showing := s
		showing.shown = Shown{"running", c}
		next = append(next, showing)
	}
	if g.shows(Shown{"failed", c}) {
		next = append(next, s.without(i).fail(c)...)
	}
	if s.matches(s.tokens[i].ifMatch) && g.needs(s, c) {
		next = append(next, carriedOut(s.without(i).done(s.tokens[i]).apply(c, now, true), c)...)
	}
	return next
}

// carriedOut returns the states after an update was committed with which others may have been: an equal one joins it,
// and one whose values it overwrites may have been committed just before.
func carriedOut(after []state, c Change) []state {
	for n := 0; n < len(after); n++ {
		for i, t := range after[n].tokens {
			if t.kind == Update && t.owner != 0 && (t.change == c || c.overwrites(t.change)) {
				after = append(after, after[n].without(i).done(t))
			}
		}
	}
	return after
}

// matches reports whether an update that is made for an object may be committed: nothing that it shows has changed, but
// its end may have passed.
func (s state) matches(o *Object) bool {
	if o == nil {
		return true
	}
	if s.values.End == unknown {
		s.values.End = o.End
	}
	return s.values == o.Values && (s.eventRoom == "" || o.EventRoom == "" || s.eventRoom == o.EventRoom)
}

// overwrites reports whether nothing is left of another change if this one follows it.
func (c Change) overwrites(other Change) bool {
	return other.Recreate == "" && (other.Start == "" || c.Start != "") && (other.Host == "" || c.Host != "") &&
		(other.Reserve == "" || c.Reserve != "")
}

// committed is the kind of a token of an update that was committed and is not answered yet.
const committed Kind = "committed"

// done returns the state after the update of a token was committed, which its answer must know.
func (s state) done(t token) state {
	if t.owner == 0 {
		return s
	}
	return s.with(t.as(committed))
}

// hasCommitted reports whether the update of an operation was committed before its answer was made.
func (s state) hasCommitted(owner int64) bool {
	return slices.ContainsFunc(s.tokens, func(t token) bool { return t.owner == owner && t.kind == committed })
}

// fail returns the states after an update has failed: another update may be shown.
func (s state) fail(c Change) []state {
	shown := s
	shown.shown = Shown{"failed", c}
	return []state{shown, s}
}

// apply returns the states after an update was committed. It is not shown any more, and neither is an earlier one that
// has failed. With others, another update may be shown that was accepted meanwhile.
func (s state) apply(c Change, now int64, others bool) []state {
	if c.Host != "" {
		s.values.Host = c.Host
	}
	if c.Reserve != "" {
		s.values.Reserve = c.Reserve
	}
	if c.Start != "" {
		s.values.Start, s.values.End = c.Start, c.End
	}
	states := []state{s}
	if c.Recreate != "" {
		if s.eventRoom != "" {
			s.oldRooms += s.eventRoom + s.conferenceRoom
		}
		s.eventRoom, s.conferenceRoom = "", ""
		unbounded := s
		s.phase, states = ready, nil
		if c.Start == "" && unbounded.phase == closed { // an end that has passed is removed
			unbounded.phase, unbounded.values.Start, unbounded.values.End = ready, "null", "null"
			states = append(states, unbounded)
		}
		states = append(states, s)
	} else if c.Start != "" && s.phase == closed { // it was not closed for ever, but its end had passed
		extended := s
		extended.phase = ready
		states = append(states, extended)
	}
	if passed(c.End, now) {
		ended := s
		ended.phase = closed
		states = append(states, ended)
	}
	shown := s.shown
	for i := range states {
		states[i].shown = Shown{}
		if others && shown.State != "" {
			other := states[i]
			other.shown = shown
			states = append(states, other)
		}
	}
	return states
}

// shows returns the state with what an object tells of it. ok is false if the object contradicts it.
func (s state) shows(o Object) (told state, ok bool) {
	if s.phase != phase(o.Status) || s.shown != o.Update {
		return s, false
	}
	if s.values.End == unknown {
		s.values.End = o.End
	}
	if s.values != o.Values {
		return s, false
	}
	if s.isReady() && s.eventRoom == "" {
		if o.EventRoom == "" || strings.Contains(s.oldRooms, o.EventRoom) || strings.Contains(s.oldRooms, o.ConferenceRoom) {
			return s, false
		}
		s.eventRoom, s.conferenceRoom = o.EventRoom, o.ConferenceRoom
	}
	return s, s.eventRoom == o.EventRoom && s.conferenceRoom == o.ConferenceRoom
}

// passed reports whether an end has passed.
func passed(end string, now int64) bool {
	var second int64
	if _, err := fmt.Sscan(end, &second); err != nil {
		return end == unknown
	}
	return second <= now
}
