package workflows

import (
	"sync"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// decisions carry word within a process that something was decided about a minigroup: from the worker that has carried it out
// to the requests that wait for it. Whoever hears of one that does not tell all looks at the row, and whoever misses it, for the
// worker is elsewhere or the process was restarted, hears from Temporal that the run has ended.
type decisions struct {
	mu        sync.Mutex
	listeners map[uuid.UUID]map[chan decision]struct{}
}

// decision is the minigroup that has become ready; nil where something else was decided, which the row tells.
type decision *minigroup.Minigroup

// listen returns a channel that has the last decision about the minigroup in it whenever there was one since it was last
// looked at. stop ends that.
func (d *decisions) listen(classID uuid.UUID) (heard <-chan decision, stop func()) {
	own := make(chan decision, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listeners == nil {
		d.listeners = map[uuid.UUID]map[chan decision]struct{}{}
	}
	if d.listeners[classID] == nil {
		d.listeners[classID] = map[chan decision]struct{}{}
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

// tell tells all who listen for the minigroup, in place of what they have not looked at yet.
func (d *decisions) tell(classID uuid.UUID, made decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for listener := range d.listeners[classID] {
		select {
		case <-listener:
		default:
		}
		listener <- made // has room: nobody else tells meanwhile
	}
}
