package linearizability

import (
	"slices"
	"strings"
)

// maxStates bounds the states that a class may have before an answer is explained. More than that would be a check that
// never ends.
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

// explain returns the states in which an answer is explained: those that explains returns, after whatever may have
// happened before.
func explain(from []state, now int64, drafts []Draft, explains func(state) (state, bool)) []state {
	var found []state
	var seen visited
	queue := slices.Clone(from)
	for _, s := range from {
		seen.add(s)
	}
	for n := 0; n < len(queue) && n < maxStates; n++ {
		if told, ok := explains(queue[n]); ok {
			found = append(found, told)
			if queue[n].isReady() {
				continue // whatever happens next would only spend tokens, and may happen after the answer as well
			}
		}
		for _, s := range queue[n].next(now, drafts) {
			if seen.add(s) {
				queue = append(queue, s)
			}
		}
	}
	return found
}
