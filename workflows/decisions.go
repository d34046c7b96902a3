package workflows

import (
	"sync"

	"github.com/google/uuid"
)

// decisions carry word within a process that something was decided about a minigroup: from the worker that has carried it out
// to the requests that wait for it. It is a hint and no more. Whoever hears it looks at the row, and whoever misses it, for the
// worker is elsewhere or the process was restarted, hears from Temporal that the run has ended.
type decisions struct {
	mu        sync.Mutex
	listeners map[uuid.UUID]map[chan struct{}]struct{}
}

// listen returns a channel that has something in it whenever something was decided about the minigroup since it was last
// looked at. stop ends that.
func (d *decisions) listen(classID uuid.UUID) (heard <-chan struct{}, stop func()) {
	own := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listeners == nil {
		d.listeners = map[uuid.UUID]map[chan struct{}]struct{}{}
	}
	if d.listeners[classID] == nil {
		d.listeners[classID] = map[chan struct{}]struct{}{}
	}
	d.listeners[classID][own] = struct{}{}
	return own, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.listeners[classID], own)
		if len(d.listeners[classID]) == 0 {
			delete(d.listeners, classID)
		}
	}
}

// tell has all who listen for the minigroup look at it.
func (d *decisions) tell(classID uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for listener := range d.listeners[classID] {
		select {
		case listener <- struct{}{}:
		default: // it has yet to look
		}
	}
}
