package workflows_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
)

// shifted is a window of one hour that begins so many hours after that of a draft.
func shifted(d minigroup.Draft, n int64) *minigroup.Window {
	return &minigroup.Window{Start: new(*d.Time.Start + n*3600), End: new(*d.Time.Start + (n+1)*3600)}
}

// wanting is another class with so many slots in a window.
func draftWith(w *minigroup.Window, slots int32) minigroup.Draft {
	d := newDraft()
	d.Time, d.Reserve, d.LockedChat = *w, &slots, false
	return d
}

// admits checks whether another class gets so many slots in a window. Those it gets are given back at once.
func (s *harness) assertAdmits(w *minigroup.Window, slots int32, want bool) {
	s.Helper()
	d := draftWith(w, slots)
	run := "run-of-" + d.Scope
	s.script(eventCreate, refused) // where it is admitted this is how far it comes
	p := s.create(run, d)
	s.mu.Lock()
	delete(s.scripts, eventCreate)
	s.mu.Unlock()
	s.sweepUntilDone(d)
	if admitted := p.kind() == minigroup.UpstreamRefused; admitted != want || (!admitted && p.kind() != minigroup.CapacityExceeded) {
		s.Errorf("%d slots from %d to %d for another class: it ended with %v, want them admitted: %v", slots, *w.Start, *w.End, p.err, want)
	}
}

func TestSlotsOfAnUpdateThatIsUndecided(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		change func(minigroup.Draft) minigroup.Change
		// freed and taken are where the class of 8 slots, of 10, has fewer and more of them after the change.
		freed, taken func(minigroup.Draft) *minigroup.Window
	}{
		"that reduces them": {
			change: func(minigroup.Draft) minigroup.Change { return minigroup.Change{Reserve: new(int32(3))} },
			freed:  func(d minigroup.Draft) *minigroup.Window { return &d.Time },
		},
		"that gives them up": {
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
				stands := commitUpdate
				if !commits {
					stands = failUpdate
					change.Host = new(newHost) // so that conference is asked
					s.script(conferencePatch, refused)
				}
				s.script(stands, undecided.before)
				ended := inBackground(s, func() *result { return s.update("run-2", uuid.New(), d, change) })
				undecided.awaitReached(t)
				for _, w := range []func(minigroup.Draft) *minigroup.Window{c.freed, c.taken} {
					if w != nil {
						s.assertAdmits(w(d), 5, false)
						s.assertAdmits(w(d), 2, true)
					}
				}
				undecided.open()
				if p := ended(); (p.err == nil) != commits {
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

func TestAnUpdateIsNotRefusedForWantOfItsOwnSlots(t *testing.T) {
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
	t.Run("it takes the one slot that is left beside its own", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		s.mustCreate("run-of-another", draftWith(&d.Time, 1))
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(9))}); p.err != nil {
			t.Error(p.err)
		}
	})
	t.Run("but more than that is, where the gateway is full", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		s.mustCreate("run-of-the-full", draftWith(&d.Time, 2))
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(9))}); p.kind() != minigroup.CapacityExceeded {
			t.Errorf("the run ended with %v", p.err)
		}
	})
}

// A worker asks the gateway for slots that are held already, and meanwhile another gives them back and looks after the
// gateway.
func TestSlotsThatAreGivenBackWhileTheirGatewayIsAsked(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	m := s.createReady(d)
	s.script(janusReserve, func(c call) error {
		ends := minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{{ID: m.ConferenceRoomID, ClassID: m.ID, Audience: m.Audience}}}
		if _, err := s.ledger.RecordRoomEvents(s.Context(), ends); err != nil {
			s.Error(err)
		}
		if err := s.sweepGateways(m.ID); err != nil {
			s.Error(err)
		}
		return succeed(c)
	})
	if err := s.execute("run-1", s.acts.SyncGateways, activities.ClassRef{ID: m.ID}); err == nil {
		t.Error("the slots are told to be held")
	}
	m, err := s.ledger.ByID(s.Context(), m.ID)
	if err != nil || m.ClosedAt.IsZero() {
		t.Fatalf("got %+v, %v", m, err)
	}
	s.assertSlots(m, s.takeSnapshot())
}
