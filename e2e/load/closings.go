package load

import (
	"sync"

	"github.com/google/uuid"
)

// Closings are the classes whose rooms conference has closed by itself. Those that are given new rooms are left alone: whether
// the room that was closed was theirs by then, nobody could tell.
type Closings struct {
	mu        sync.Mutex
	all       map[uuid.UUID]*Closing
	recreated map[uuid.UUID]bool
}

// NewClosings has none.
func NewClosings() *Closings {
	return &Closings{all: map[uuid.UUID]*Closing{}, recreated: map[uuid.UUID]bool{}}
}

// Closing is what is known of it: that it was tried, and then that it is so.
type Closing struct{ Certain, TimedOut bool }

// Of returns what is known of a class; nil where its room was left alone.
func (c *Closings) Of(class uuid.UUID) *Closing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[class]
}

// Note notes it.
func (c *Closings) Set(class uuid.UUID, how Closing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[class] = &how
}

// Close reports whether the room of a class may be closed, and notes that this is tried.
func (c *Closings) TryClose(class uuid.UUID, how Closing) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[class] != nil || c.recreated[class] {
		return false
	}
	c.all[class] = &how
	return true
}

// Renew reports whether a class may be given new rooms, and notes that this is tried.
func (c *Closings) TryRecreate(class uuid.UUID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[class] != nil {
		return false
	}
	c.recreated[class] = true
	return true
}

// Sure lists the classes that are to be ended.
func (c *Closings) Certain() (classes []uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for class, how := range c.all {
		if how.Certain {
			classes = append(classes, class)
		}
	}
	return classes
}
