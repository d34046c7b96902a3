package process

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMissingRoomEvents(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(m *EventMetrics)
		want    time.Duration
	}{
		"without creates no event is missing": {
			happens: func(*EventMetrics) { time.Sleep(time.Hour) },
		},
		"an event that arrives before the answer of its create is not missing": {
			happens: func(m *EventMetrics) {
				sentAt := time.Now()
				time.Sleep(time.Second)
				m.Received("room.create", 0)
				m.Created(sentAt)
				time.Sleep(time.Hour)
			},
		},
		"an event that arrives after the answer is missing until then": {
			happens: func(m *EventMetrics) {
				m.Created(time.Now())
				time.Sleep(time.Hour)
				m.Received("room.create", 0)
				time.Sleep(time.Hour)
			},
		},
		"events are missing since the first create after the last event": {
			happens: func(m *EventMetrics) {
				m.Created(time.Now())
				m.Received("room.create", 0)
				time.Sleep(time.Minute)
				for range 3 {
					m.Created(time.Now())
					time.Sleep(time.Hour)
				}
			},
			want: 3 * time.Hour,
		},
		"a message that is dropped is no event": {
			happens: func(m *EventMetrics) {
				m.Created(time.Now())
				time.Sleep(time.Hour)
				m.Dropped("malformed")
			},
			want: time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewEventMetrics()
				test.happens(m)
				if got := m.missing(time.Now()); got != test.want {
					t.Errorf("got %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestDroppedMessagesAreCountedFromZero(t *testing.T) {
	m := NewEventMetrics()
	m.Dropped("overflow")
	err := testutil.CollectAndCompare(m, strings.NewReader(`
# HELP minigroups_events_dropped_total Messages from the broker that were dropped, by reason.
# TYPE minigroups_events_dropped_total counter
minigroups_events_dropped_total{reason="malformed"} 0
minigroups_events_dropped_total{reason="overflow"} 1
minigroups_events_dropped_total{reason="unknown_topic"} 0
`), "minigroups_events_dropped_total")
	if err != nil {
		t.Error(err)
	}
}
