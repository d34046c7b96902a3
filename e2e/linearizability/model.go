package linearizability

import (
	"hash/fnv"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
)

// step is an operation's call, or its answer. They are different steps, because what a call may cause can also happen
// after its answer.
type step struct {
	Operation
	isAnswer bool
}

// model is the contract for the classes of one history.
type model struct {
	drafts []Draft
	// answers are the bodies of successful answers by key. maybe are the first calls by key whose answer is unknown.
	answers map[string][]Operation
	maybe   map[string]int64
	// exceeded says that a search ended at maxStates, so that states may be missing.
	exceeded bool
}

func newModel(history []Operation) *model {
	m := &model{answers: map[string][]Operation{}, maybe: map[string]int64{}}
	for _, o := range history {
		if o.Kind == Create && !slices.Contains(m.drafts, o.Draft) {
			m.drafts = append(m.drafts, o.Draft)
		}
		if o.Key == "" {
			continue
		}
		if o.Answer.Problem == "" && (o.Answer.Code == 200 || o.Answer.Code == 201) {
			m.answers[o.Key] = append(m.answers[o.Key], o)
		}
		if first, ok := m.maybe[o.Key]; o.isUnknown() && (!ok || o.Called < first) {
			m.maybe[o.Key] = o.Called
		}
	}
	return m
}

// porcupine returns the model in the form of porcupine.
func (m *model) porcupine() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return newStates([]state{{phase: absent}}) },
		Step: func(from, input, _ any) (bool, any) {
			after := m.step(from.(*states).list, input.(step))
			return len(after) > 0, newStates(after)
		},
		Equal: func(a, b any) bool { return a.(*states).key == b.(*states).key },
		Hash: func(s any) uint64 {
			h := fnv.New64a()
			_, _ = h.Write([]byte(s.(*states).key))
			return h.Sum64()
		},
		DescribeOperation: func(input, _ any) string {
			s := input.(step)
			if !s.isAnswer {
				return s.requested()
			}
			return s.requested() + " → " + s.Answer.String()
		},
		DescribeState: func(s any) string { return s.(*states).String() },
	}
}

// steps returns the steps of a history. A call is a point of time; its answer is made at some time after it. Reads and
// cancels have no calls, because they cause nothing that could not happen anyway.
func steps(history []Operation) (list []porcupine.Operation) {
	var free rows
	for _, o := range history {
		row := free.take(o.Called, o.Answered)
		if o.Kind != Read && o.Kind != Cancel {
			list = append(list, porcupine.Operation{
				ClientId: row, Input: step{o, false}, Call: 2 * o.Called, Return: 2 * o.Called,
			})
		}
		if o.Answered != 0 && !o.isUnknown() && o.Kind != Reset && o.Kind != CloseRoom {
			list = append(list, porcupine.Operation{
				ClientId: row, Input: step{o, true}, Call: 2*o.Called + 1, Return: 2 * o.Answered,
			})
		}
	}
	return list
}

// rows are those of the picture. Each shows one operation at a time.
type rows []int64 // when each is free

// take returns a row that is free for an operation.
func (r *rows) take(from, to int64) int {
	row := slices.IndexFunc(*r, func(free int64) bool { return free <= from })
	if row < 0 {
		row = len(*r)
		*r = append(*r, 0)
	}
	(*r)[row] = max(from, to) + 1
	return row
}

// step returns the states after a step, none if it is impossible.
func (m *model) step(from []state, s step) []state {
	if s.isAnswer {
		return m.answer(from, s.Operation)
	}
	t := m.token(s.Operation)
	after := make([]state, len(from))
	for i := range from {
		after[i] = from[i].with(t)
	}
	return after
}

// token returns what a call may cause.
func (m *model) token(o Operation) token {
	owner := o.Called
	if o.isUnknown() || o.Answered == 0 {
		owner = 0
	}
	kind := o.Kind
	if kind == Reset {
		kind, owner = Retry, 0
	}
	if kind == CloseRoom {
		owner = 0
	}
	return newToken(kind, o, owner)
}

// answer returns the states after an answer.
func (m *model) answer(from []state, o Operation) []state {
	var after []state
	switch {
	case o.Answer.Problem != "":
		after = m.refuse(from, o)
	case o.Answer.Code == 202 && o.Kind == Update:
		after = m.explain(from, o, nil)
		for i, s := range after { // it goes on
			if rest := s.withoutOwn(o.Called); len(rest.tokens) < len(s.tokens) {
				after[i] = rest.with(newToken(Update, o, 0))
			}
		}
	case o.Kind == Update && o.Change != Change{}:
		after = m.explain(m.apply(from, o), o, nil)
	case o.Kind == Create && o.Answer.Code != 202:
		after = m.withKey(from, o, func(s state) bool { return s.isReady() && s.draft == o.Draft.Key })
	case o.Kind == Retry && o.Answer.Code != 202:
		after = m.withKey(from, o, state.isReady)
	case o.Kind == Cancel && o.Answer.Code != 202:
		after = m.explain(from, o, func(s state) bool { return s.phase != creating })
	default:
		after = m.explain(from, o, nil)
	}
	for i, s := range after {
		after[i] = s.withoutOwn(o.Called)
	}
	return after
}

// explain returns the states that show the object of an answer and meet a condition, if there is one.
func (m *model) explain(from []state, o Operation, meets func(state) bool) []state {
	return m.search(from, o.Answer.Now, goal{object: &o.Answer.Object}, func(s state) (state, bool) {
		if meets != nil && !meets(s) {
			return s, false
		}
		return s.shows(o.Answer.Object)
	})
}

// apply returns the states after an update was committed, which is between its call and its answer: now, or before.
func (m *model) apply(from []state, o Operation) (after []state) {
	g := goal{object: &o.Answer.Object, before: true}
	isReady := func(s state) (state, bool) { return s, s.isReady() }
	for _, s := range m.search(from, o.Answer.Now, g, isReady) {
		if s.hasCommitted(o.Called) {
			after = append(after, s)
			continue
		}
		if !s.matches(o.IfMatch) {
			continue
		}
		rest := s.withoutOwn(o.Called)
		others := slices.ContainsFunc(rest.tokens, func(t token) bool { return t.kind == Update })
		after = append(after, carriedOut(rest.apply(o.Change, o.Answer.Now, others), o.Change)...)
	}
	return after
}

// require returns the states that meet a condition.
func (m *model) require(from []state, o Operation, meets func(state) bool) []state {
	g := goal{closed: o.Answer.Problem == "minigroup_closed"}
	return m.search(from, o.Answer.Now, g, func(s state) (state, bool) { return s, meets(s) })
}

// withKey returns the states after a success of a request that may have a key: it was carried out, or replayed.
func (m *model) withKey(from []state, o Operation, meets func(state) bool) (after []state) {
	if o.Key == "" {
		return m.explain(from, o, meets)
	}
	mayReplay := m.mayReplay(o)
	for _, s := range from {
		switch stored, ok := s.stored[o.Key]; {
		case ok && stored == o.Answer.Body, !ok && mayReplay:
			after = append(after, s.storing(o.Key, o.Answer.Body))
		}
	}
	for _, s := range m.explain(from, o, meets) {
		if _, ok := s.stored[o.Key]; ok {
			continue // then it would have been replayed
		}
		after = append(after, s.storing(o.Key, o.Answer.Body))
		if o.Answer.KeyMayBeLost {
			after = append(after, s)
		}
	}
	return after
}

// mayReplay reports whether an answer may be one that was stored for its key although the model does not know it: that
// of an earlier request whose caller did not receive it.
func (m *model) mayReplay(o Operation) bool {
	first, ok := m.maybe[o.Key]
	if !ok {
		first = math.MaxInt64
	}
	return first < o.Answered || slices.ContainsFunc(m.answers[o.Key], func(earlier Operation) bool {
		return earlier.Called != o.Called && earlier.Called < o.Answered && earlier.Answer.Body == o.Answer.Body
	})
}

// refuse returns the states in which a request is answered by a problem.
func (m *model) refuse(from []state, o Operation) []state {
	switch problem := o.Answer.Problem; {
	case problem == "class_not_found":
		return m.require(from, o, func(s state) bool { return s.phase == absent })
	case problem == "class_already_established":
		return m.require(from, o, func(s state) bool { return s.isReady() && s.draft != o.Draft.Key })
	case problem == "minigroup_not_ready":
		return m.require(from, o, func(s state) bool { return s.phase == creating || s.phase == failed })
	case problem == "minigroup_closed":
		var after []state
		for _, s := range m.require(from, o, func(s state) bool { return s.phase == closed }) {
			after = append(after, s.withoutOwn(o.Called).fail(o.Change)...) // it may have begun
		}
		return after
	case !o.Answer.isSagaFailure(): // nothing has begun
		return slices.Clone(from)
	case o.Kind == Create:
		return m.require(from, o, func(s state) bool { return s.phase == failed && s.draft == o.Draft.Key })
	case o.Kind == Retry:
		return m.require(from, o, func(s state) bool { return s.phase == failed })
	case o.Kind == Update:
		var after []state
		for _, s := range m.require(from, o, state.isReady) {
			after = append(after, s.withoutOwn(o.Called).fail(o.Change)...)
		}
		return after
	}
	return slices.Clone(from)
}
