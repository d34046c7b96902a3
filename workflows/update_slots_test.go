package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
)

// shifted is a window of one hour that begins n hours after the window of a draft.
func shifted(d minigroup.Draft, n int64) *minigroup.Window {
	return &minigroup.Window{Start: new(*d.Time.Start + n*3600), End: new(*d.Time.Start + (n+1)*3600)}
}

// draftWith is another class with this number of slots in a window.
func draftWith(w *minigroup.Window, slots int32) minigroup.Draft {
	d := newDraft()
	d.Time, d.Reserve, d.LockedChat = *w, &slots, false
	return d
}

// assertAdmits checks whether another class gets this number of slots in a window, and releases them.
func (s *harness) assertAdmits(w *minigroup.Window, slots int32, want bool) {
	s.Helper()
	d := draftWith(w, slots)
	run := "run-of-" + d.Scope
	s.script(eventCreate, refused) // the create fails here when the slots were admitted
	p := s.create(run, d)
	s.mu.Lock()
	delete(s.scripts, eventCreate)
	s.mu.Unlock()
	s.sweepUntilDone(d)
	admitted := p.kind() == minigroup.UpstreamRefused
	if admitted != want || (!admitted && p.kind() != minigroup.CapacityExceeded) {
		s.Errorf("%d slots from %d to %d for another class: it ended with %v, want them admitted: %v",
			slots, *w.Start, *w.End, p.err, want)
	}
}

func TestSlotsOfAnUndecidedUpdate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		change func(minigroup.Draft) minigroup.Change
		// freed and taken are windows in which the class, with 8 of 10 slots, has fewer or more slots after the change.
		freed, taken func(minigroup.Draft) *minigroup.Window
	}{
		"that reduces them": {
			change: func(minigroup.Draft) minigroup.Change { return minigroup.Change{Reserve: new(int32(3))} },
			freed:  func(d minigroup.Draft) *minigroup.Window { return &d.Time },
		},
		"that releases them": {
			change: func(minigroup.Draft) minigroup.Change { return minigroup.Change{Reserve: new(int32(0))} },
			freed:  func(d minigroup.Draft) *minigroup.Window { return &d.Time },
		},
		"that extends the class": {
			change: func(d minigroup.Draft) minigroup.Change {
				return minigroup.Change{Time: &minigroup.Window{Start: d.Time.Start, End: shifted(d, 3).End}}
			},
			taken: func(d minigroup.Draft) *minigroup.Window { return shifted(d, 2) },
		},
		"that moves the class": {
			change: func(d minigroup.Draft) minigroup.Change { return minigroup.Change{Time: shifted(d, 3)} },
			freed:  func(d minigroup.Draft) *minigroup.Window { return &d.Time },
			taken:  func(d minigroup.Draft) *minigroup.Window { return shifted(d, 3) },
		},
		"that moves and reduces": {
			change: func(d minigroup.Draft) minigroup.Change {
				return minigroup.Change{Time: shifted(d, 3), Reserve: new(int32(6))}
			},
			freed: func(d minigroup.Draft) *minigroup.Window { return &d.Time },
			taken: func(d minigroup.Draft) *minigroup.Window { return shifted(d, 3) },
		},
	} {
		for end, commits := range map[string]bool{"and commits": true, "and is refused": false} {
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				s, d := db.newHarness(t), newDraft()
				s.createReady(d)
				change, undecided := c.change(d), newGate(t)
				paused := commitUpdate
				if !commits {
					paused = failUpdate
					change.Host = new(newHost) // so that a PATCH is sent
					s.script(conferencePatch, refused)
				}
				s.script(paused, undecided.before)
				wait := inBackground(s, func() *result { return s.update("run-2", uuid.New(), d, change) })
				undecided.awaitReached(t)
				for _, w := range []func(minigroup.Draft) *minigroup.Window{c.freed, c.taken} {
					if w != nil {
						s.assertAdmits(w(d), 5, false)
						s.assertAdmits(w(d), 2, true)
					}
				}
				undecided.open()
				if p := wait(); (p.err == nil) != commits {
					t.Fatalf("the update ended with %v", p.err)
				}
				if c.freed != nil {
					s.assertAdmits(c.freed(d), 5, commits)
				}
				if c.taken != nil {
					s.assertAdmits(c.taken(d), 5, !commits)
				}
			})
		}
	}
}

func TestUpdateIsNotRefusedBecauseOfItsOwnSlots(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, change := range map[string]func(minigroup.Draft) minigroup.Change{
		"it reduces": func(minigroup.Draft) minigroup.Change { return minigroup.Change{Reserve: new(int32(7))} },
		"it extends": func(d minigroup.Draft) minigroup.Change {
			return minigroup.Change{Time: &minigroup.Window{Start: d.Time.Start, End: new(*d.Time.End + 3600)}}
		},
		"it moves to a window that overlaps its own": func(d minigroup.Draft) minigroup.Change {
			return minigroup.Change{Time: &minigroup.Window{Start: new(*d.Time.Start + 1800), End: new(*d.Time.End + 1800)}}
		},
	} {
		t.Run(name+", and the gateway is full", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.createReady(d)
			full := draftWith(&d.Time, 2)
			s.mustCreate("run-of-the-full", full)
			p := s.update("run-2", uuid.New(), d, change(d))
			m, err := s.ledger.ByID(t.Context(), classID(d))
			if err != nil || p.err != nil {
				t.Fatalf("the run ended with %v, %v", p.err, err)
			}
			open, err := s.ledger.OpenReservations(t.Context(), classID(d))
			if err != nil || len(open) != 1 || open[0].Slots != m.Slots() || open[0].State != minigroup.ReservationHeld {
				t.Errorf("want one reservation of %d slots: %+v, %v", m.Slots(), open, err)
			}
		})
	}
	t.Run("it takes the one slot that is left", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		s.mustCreate("run-of-another", draftWith(&d.Time, 1))
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(9))}); p.err != nil {
			t.Error(p.err)
		}
	})
	t.Run("it is refused when it wants more slots and the gateway is full", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		s.mustCreate("run-of-the-full", draftWith(&d.Time, 2))
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(9))})
		if p.kind() != minigroup.CapacityExceeded {
			t.Errorf("the run ended with %v", p.err)
		}
	})
}

// A worker reserves slots that are held already. Meanwhile another worker ends the class and sweeps the gateway.
func TestSlotsThatAreReleasedDuringAReservation(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	m := s.createReady(d)
	s.script(janusReserve, func(c call) error {
		closed := minigroup.ClosedRoom{ID: m.ConferenceRoomID, ClassID: m.ID, Audience: m.Audience}
		events := minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{closed}}
		if _, err := s.ledger.RecordRoomEvents(s.Context(), events); err != nil {
			s.Error(err)
		}
		if err := s.sweepGateways(m.ID); err != nil {
			s.Error(err)
		}
		return succeed(c)
	})
	if err := s.execute("run-1", s.acts.SyncGateways, activities.ClassRef{ID: m.ID}); err == nil {
		t.Error("the slots are reported as held")
	}
	m, err := s.ledger.ByID(s.Context(), m.ID)
	if err != nil || m.ClosedAt.IsZero() {
		t.Fatalf("got %+v, %v", m, err)
	}
	s.assertSlots(m, s.takeSnapshot())
}
