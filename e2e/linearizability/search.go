package linearizability

import (
	"slices"
	"strings"
)

// maxStates bounds the states that are searched for those that explain an answer. With more, the check counts as one
// that did not end.
const maxStates = 50_000

// states are all states that a class may have, without those that could do nothing that another could not.
type states struct {
	list []state
	key  string
}

func newStates(list []state) *states {
	list = undominated(list)
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = list[i].key()
	}
	slices.Sort(keys)
	return &states{list: list, key: strings.Join(keys, "\n")}
}

func (s *states) String() string {
	texts := make([]string, len(s.list))
	for i := range s.list {
		texts[i] = s.list[i].String()
	}
	return strings.Join(texts, " or ")
}

// undominated returns the states of which no other one is equal and has at least the same tokens.
func undominated(list []state) []state {
	var seen visited
	slices.SortStableFunc(list, func(a, b state) int { return len(b.tokens) - len(a.tokens) })
	kept := list[:0:0]
	for _, s := range list {
		if seen.add(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// visited are states by their base.
type visited map[string][]state

// add adds a state. It returns false if there is one that is equal and has at least the same tokens.
func (v *visited) add(s state) bool {
	if *v == nil {
		*v = visited{}
	}
	base := s.base()
	for _, other := range (*v)[base] {
		if includes(other.tokens, s.tokens) {
			return false
		}
	}
	(*v)[base] = append((*v)[base], s)
	return true
}

// includes reports whether sorted tokens include others.
func includes(all, others []token) bool {
	i := 0
	for _, t := range others {
		for i < len(all) && all[i].text < t.text {
			i++
		}
		if i == len(all) || all[i].text != t.text {
			return false
		}
		i++
	}
	return true
}

// goal is what an answer says. Updates that contribute nothing to it are not considered, because they may be committed
// after the answer as well; without that, a search would try all orders of all unanswered updates.
type goal struct {
	object *Object // nil if the answer shows none
	closed bool    // without an object: the class is closed
	// before says that what happens first matters, too, because the request overwrites it: an update may be committed, or
	// the room be closed, just before another update.
	before bool
}

// shows reports whether the answer shows an update.
func (g goal) shows(u Shown) bool { return g.object != nil && g.object.Update == u }

// needs reports whether the commit of an update may contribute to the goal: it sets a value that the answer shows,
// makes new rooms, or ends or reopens the class.
func (g goal) needs(s state, c Change) bool {
	if g.object == nil {
		return g.closed && c.Start != ""
	}
	reopens := s.phase == closed && (c.Start != "" || c.Recreate != "")
	ends := g.object.Status == string(closed) && c.Start != ""
	return reopens || ends || (c.Recreate != "" && s.eventRoom != g.object.EventRoom) ||
		(c.Start != "" && c.Start == g.object.Start && c.End == g.object.End) ||
		(c.Host != "" && c.Host == g.object.Host) || (c.Reserve != "" && c.Reserve == g.object.Reserve)
}

// search returns the states in which an answer is explained: those that explains returns, after whatever may have
// happened before.
func (m *model) search(from []state, now int64, g goal, explains func(state) (state, bool)) []state {
	var found []state
	var seen visited
	queue := slices.Clone(from)
	for _, s := range from {
		seen.add(s)
	}
	for n := 0; n < len(queue); n++ {
		if n == maxStates {
			m.exceeded = true
			break
		}
		if told, ok := explains(queue[n]); ok {
			found = append(found, told)
			if s := queue[n]; s.isReady() && s.eventRoom != "" && !g.before {
				// Whatever happens next would only spend tokens, and may happen after the answer as well. While the rooms are
				// unknown, those of the answer may also be those of a recreate.
				continue
			}
		}
		for _, s := range queue[n].next(now, m.drafts, g) {
			if seen.add(s) {
				queue = append(queue, s)
			}
		}
	}
	return found
}
