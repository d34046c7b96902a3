package load

import (
	"sync"

	"github.com/google/uuid"
)

// Closings records the classes whose rooms conference has closed by itself. A class that is recreated is excluded,
// because it would be unknown whether the closed room was its old or its new one.
type Closings struct {
	mu        sync.Mutex
	all       map[uuid.UUID]*Closing
	recreated map[uuid.UUID]bool
}

// NewClosings returns an empty record.
func NewClosings() *Closings {
	return &Closings{all: map[uuid.UUID]*Closing{}, recreated: map[uuid.UUID]bool{}}
}

// Closing is how the room of a class was closed. It is not certain until conference has confirmed the close.
type Closing struct{ Certain, TimedOut bool }

// Of returns the closing of a class; nil if there is none.
func (c *Closings) Of(class uuid.UUID) *Closing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[class]
}

// Set records how the room of a class was closed.
func (c *Closings) Set(class uuid.UUID, how Closing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[class] = &how
}

// TryClose reports whether the room of a class may be closed. If so, it records the closing.
func (c *Closings) TryClose(class uuid.UUID, how Closing) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[class] != nil || c.recreated[class] {
		return false
	}
	c.all[class] = &how
	return true
}

// TryRecreate reports whether a class may be recreated. If so, its room may no longer be closed.
func (c *Closings) TryRecreate(class uuid.UUID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[class] != nil {
		return false
	}
	c.recreated[class] = true
	return true
}

// Certain returns the classes whose rooms are certainly closed.
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
