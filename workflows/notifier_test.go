package workflows

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestNotifier(t *testing.T) {
	var n notifier
	class, other := uuid.New(), uuid.New()
	first, stopFirst := n.subscribe(class)
	second, stopSecond := n.subscribe(class)
	defer stopSecond()

	n.publish(other, nil)
	if len(first) != 0 {
		t.Error("a notification about another minigroup was received")
	}
	n.publish(class, nil)
	established := &minigroup.Minigroup{ID: class}
	n.publish(class, established)
	if got := <-first; got != established {
		t.Errorf("received %v, want the last notification", got)
	}
	if got := <-second; got != established {
		t.Errorf("the second subscriber received %v, want the last notification", got)
	}
	stopFirst()
	n.publish(class, nil)
	if len(first) != 0 {
		t.Error("a notification was received after the end of the subscription")
	}
	if len(second) != 1 {
		t.Error("the end of one subscription has ended another one")
	}
	stopSecond()
	if len(n.waiters) != 0 {
		t.Errorf("%d minigroups are kept without subscribers", len(n.waiters))
	}
}
