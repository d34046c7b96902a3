package storage

// Waiting is how many reads wait for a query that can take them.
func (s *Store) Waiting() int {
	s.gathered.mu.Lock()
	defer s.gathered.mu.Unlock()
	return len(s.gathered.waiting)
}

// ReadOneByOne makes every read a query of its own, on as many connections as serve that best.
func (s *Store) ReadOneByOne() { s.gathered = &gatherer{pool: s.pool, atOnce: 8, most: 1} }

// Gather undoes ReadOneByOne.
func (s *Store) Gather() {
	s.gathered = &gatherer{pool: s.reads, atOnce: gatherAtOnce, most: gatherMost}
}

// The bounds of gathering.
const (
	GatherAtOnce = gatherAtOnce
	GatherMost   = gatherMost
)
