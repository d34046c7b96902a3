package simulation

import (
	"errors"
	"hash/fnv"
	"regexp"
	"slices"
	"time"
)

// manner is how a scenario is explored. Scenarios differ in it, because a bug that needs one kind of fault often is
// hard to find among many others.
type manner struct {
	// pace says how rarely something interferes: once in 2^pace steps.
	pace int
	// kinds says how often each kind of faults happens; 0 is never.
	kinds [faultKinds]int
	// mishap is how one in four of the calls goes wrong that can; 0 if none does.
	mishap outcome
	// slow means that calls may be slow: that they go on when nothing else can.
	slow bool
	// quiet is how many requests are answered before anything interferes.
	quiet int
	// favourite is the kind of every second request, lever what an operator does every second time.
	favourite string
	lever     int
	// focus chooses the calls around which something interferes often: one kind of calls in eight.
	focus int
	// calm means that there are no faults, so that gateways show what the ledger says without a sweep.
	calm bool
	// watched means that the invariants are checked after every step, which takes most of the time.
	watched bool
}

// maxHits is how often something interferes in a row, at most, while a call in focus waits.
const maxHits = 3

// slowness says how rarely a call is slow: once in 2^slowness calls, and one in two of those in focus.
const slowness = 4

// mishaps are those of all scenarios. A refusal of a room begins an undo.
var mishaps = []outcome{0, 0, 0, refused, refused, failed, executedUnanswered, commitUnanswered}

// focuses is the number of groups of calls, of which a scenario has one in focus.
const focuses = 8

// inFocus reports whether something interferes often when this call begins to wait.
func (m manner) inFocus(at *point) bool {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(instance.ReplaceAllString(at.what, ""))) // never fails
	return int(hash.Sum32()%focuses) == m.focus
}

// instance is what a call has beside its kind: the run and the ids.
var instance = regexp.MustCompile(` of .*|[/ ]#?[0-9]+`)

func drawManner(c chooser) manner {
	m := manner{
		pace: 1 + c.below(4, "pace"), slow: c.below(2, "slow") == 1, quiet: c.below(3, "quiet"),
		favourite: requests[c.below(len(requests), "favourite")], lever: c.below(len(levers), "lever"),
		focus: c.below(focuses, "focus"), calm: c.rarely(2, "calm"), watched: c.rarely(3, "watched"),
	}
	if !m.calm {
		m.mishap = mishaps[c.below(len(mishaps), "mishap")]
	}
	if c.below(2, "one kind") == 1 { // what needs one fault at one call is hard to find among others
		m.kinds[c.below(faultKinds, "kind")] = 5
		return m
	}
	for i := range m.kinds {
		m.kinds[i] = []int{0, 0, 0, 1, 1, 5}[c.below(6, "kind")]
	}
	return m
}

// prelude lets a few requests be answered without any interference.
func (s *scenario) prelude() error {
	for range s.quiet {
		if err := s.request(); err != nil {
			return err
		}
		last := s.calls[len(s.calls)-1]
		for until := time.Now().Add(time.Minute); !last.done && time.Now().Before(until); {
			if err := s.settleStep(); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxSteps bounds the decisions of a scenario while faults happen.
const maxSteps = 500

// explore lets requests and faults happen in an interleaving that the chooser draws.
func (s *scenario) explore() error {
	for range maxSteps {
		s.forgetArrivals()
		points, deliveries := s.waiting(), s.server.Deliveries()
		if err := errors.Join(s.showClock(), s.watch()); err != nil {
			return err
		}
		var choices, slow []func()
		for _, at := range points {
			if !at.seen {
				s.see(at)
			}
			goesOn := func() { s.proceed(at) }
			if at.slow {
				slow = append(slow, goesOn)
			} else {
				choices = append(choices, goesOn)
			}
		}
		for _, d := range deliveries {
			choices = append(choices, func() { s.deliverTask(d) })
		}
		// What goes on comes first, so that shrinking removes what interferes.
		other := s.interferences(points)
		switch {
		case len(choices) > 0 && (len(other) == 0 || s.hits == 0 && !s.rarely(s.pace, "interfere")):
			choices[s.below(len(choices), "who")]()
		case len(choices) > 0:
			s.hits = max(0, s.hits-1)
			if err := s.interfere(other); err != nil {
				return err
			}
		case len(slow) > 0 && len(other) > 0 && s.below(2, "interfere") == 1:
			if err := s.interfere(other); err != nil {
				return err
			}
		case len(slow) > 0 && (s.calm || s.below(2, "slow") == 1):
			slow[s.below(len(slow), "who")]()
		case !s.calm && (len(slow) > 0 || s.isFrozen()) && s.below(2, "wait") == 1:
			s.faulted = true
			s.pass(stepWait + time.Second)
		case s.pass(time.Second):
		case len(other) > 0:
			if err := s.interfere(other); err != nil {
				return err
			}
		case len(slow) == 0 && !s.isFrozen():
			return nil // nothing happens any more; settle lets time pass
		}
	}
	return nil
}

// see decides about a call that begins to wait whether it is slow, and whether something interferes because of it.
func (s *scenario) see(at *point) {
	focused := s.inFocus(at)
	rarity := slowness
	if focused {
		rarity = 1
	}
	at.seen, at.slow = true, s.slow && s.rarely(rarity, "slow")
	if focused && s.below(2, "hit") == 1 {
		s.hits, s.hit = 1+s.below(maxHits, "hits"), at
	}
}

// proceed lets a call go on, or go wrong as calls of this scenario do.
func (s *scenario) proceed(at *point) {
	for _, w := range at.ways {
		if w.outcome == s.mishap && s.rarely(2, "mishap") {
			s.goWrong()
			s.decide(at, w)
			return
		}
	}
	s.goOn(at)
}

// goWrong notes a fault. Something else often follows it, such as a cancel while its saga recovers.
func (s *scenario) goWrong() {
	s.faulted = true
	if s.below(2, "follows") == 1 {
		s.hits, s.hit = 1+s.below(maxHits, "hits"), nil
	}
}

func (s *scenario) isFrozen() bool {
	return slices.ContainsFunc(s.slots, func(p *process) bool { return p.frozen && !p.dead })
}

// interfere lets one of the interferences happen.
func (s *scenario) interfere(among []interference) error {
	total := 0
	for _, i := range among {
		total += i.weight
	}
	n := s.below(total, "interfere")
	for _, i := range among {
		if n -= i.weight; n < 0 {
			s.changed = true
			return i.do()
		}
	}
	return nil
}
