package linearizability

import (
	"slices"
	"sync"
)

// Recorder records operations as they begin and are answered. It is safe for concurrent use. Its clock counts calls and
// answers, so it works in virtual time, too.
type Recorder struct {
	mu    sync.Mutex
	clock int64
	all   []*Operation
}

// Begin records that an operation is about to be sent. The caller calls end with its answer; without one, or with the
// zero Answer, the operation may take effect at any later time. A second call changes nothing.
func (r *Recorder) Begin(o Operation) (end func(Answer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock++
	o.Called, o.Answered = r.clock, 0
	r.all = append(r.all, &o)
	return func(a Answer) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if o.Answered == 0 {
			r.clock++
			o.Answer, o.Answered = a, r.clock
		}
	}
}

// Len returns the number of operations so far.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// History returns the operations of each class so far, in the order of their calls.
func (r *Recorder) History() map[string][]Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	byClass := map[string][]Operation{}
	for _, o := range r.all {
		byClass[o.Class] = append(byClass[o.Class], *o)
	}
	for class := range byClass {
		byClass[class] = slices.Clip(byClass[class])
	}
	return byClass
}
