package workflows

import (
	"sync"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// notifier tells the requests of this process that wait for a minigroup when a worker of the same process has decided
// something about it. A waiter that misses a notification, because the worker is in another process, still learns of
// the end of the run from Temporal.
type notifier struct {
	mu      sync.Mutex
	waiters map[uuid.UUID]map[chan *minigroup.Minigroup]struct{}
}

// subscribe returns a channel that holds the last notification about the minigroup that was not received yet: the
// established minigroup, or nil for any other decision, which the row shows. stop ends the subscription.
func (n *notifier) subscribe(classID uuid.UUID) (notifications <-chan *minigroup.Minigroup, stop func()) {
	own := make(chan *minigroup.Minigroup, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiters == nil {
		n.waiters = map[uuid.UUID]map[chan *minigroup.Minigroup]struct{}{}
	}
	if n.waiters[classID] == nil {
		n.waiters[classID] = map[chan *minigroup.Minigroup]struct{}{}
	}
	n.waiters[classID][own] = struct{}{}
	return own, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.waiters[classID], own)
		if len(n.waiters[classID]) == 0 {
			delete(n.waiters, classID)
		}
	}
}

// publish sends to all subscribers of the minigroup. It replaces a notification that a subscriber has not received yet.
func (n *notifier) publish(classID uuid.UUID, established *minigroup.Minigroup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for waiter := range n.waiters[classID] {
		select {
		case <-waiter:
		default:
		}
		waiter <- established // does not block: only publish sends, and it holds the lock
	}
}
