package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// storedRoom is what rooms of event and conference have in common.
type storedRoom struct {
	ID          uuid.UUID       `json:"id"`
	ClassroomID uuid.UUID       `json:"classroom_id"`
	Audience    string          `json:"audience"`
	Time        timespan        `json:"time"`
	Tags        json.RawMessage `json:"tags,omitempty"`
	CreatedAt   instant         `json:"created_at"`
}

func (r storedRoom) common() storedRoom { return r }

// room is a room of one service.
type room interface {
	common() storedRoom
	// object is the service's own JSON of the room.
	object() any
	// inspected is the same with what GET /sandbox/rooms adds.
	inspected(now instant) any
}

// line is one line of a state file: things as they are from then on. What belongs together shares a line, so that a
// torn line loses both.
type line[R room] struct {
	Room     *R        `json:"room,omitempty"`
	Creation *Creation `json:"creation,omitempty"`
}

// store keeps rooms and log, in memory and, where it has a file, on disk.
type store[R room] struct {
	mu    sync.Mutex
	rooms map[uuid.UUID]R
	order []uuid.UUID
	log   []Creation
	file  *os.File
	// broken is the first error of the file. Nothing is taken after it.
	broken error
}

func openStore[R room](path string) (*store[R], error) {
	s := &store[R]{rooms: map[uuid.UUID]R{}}
	if path == "" {
		return s, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state file: %w", err)
	}
	s.file = file
	if err := s.read(path); err != nil {
		return nil, errors.Join(fmt.Errorf("read state file: %w", err), file.Close())
	}
	return s, nil
}

// read takes the whole lines and cuts off what a killed process left of its last one.
func (s *store[R]) read(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	whole := content[:bytes.LastIndexByte(content, '\n')+1]
	number := 0
	for raw := range bytes.Lines(whole) {
		number++
		var l line[R]
		if err := json.Unmarshal(raw, &l); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		s.apply(l)
	}
	return s.file.Truncate(int64(len(whole)))
}

func (s *store[R]) apply(l line[R]) {
	if l.Room != nil {
		id := (*l.Room).common().ID
		if _, known := s.rooms[id]; !known {
			s.order = append(s.order, id)
		}
		s.rooms[id] = *l.Room
	}
	if l.Creation == nil {
		return
	}
	if l.Creation.Seq > int64(len(s.log)) {
		s.log = append(s.log, *l.Creation)
		return
	}
	s.log[l.Creation.Seq-1] = *l.Creation
}

// save keeps a room, a log entry, or both at once. An entry without a number gets the next one.
func (s *store[R]) save(room *R, creation *Creation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if creation != nil && creation.Seq == 0 {
		creation.Seq = int64(len(s.log)) + 1
	}
	return s.keep(line[R]{Room: room, Creation: creation})
}

func (s *store[R]) keep(l line[R]) error {
	if s.broken != nil {
		return s.broken
	}
	if s.file != nil {
		if _, err := s.file.Write(append(encode(l), '\n')); err != nil {
			s.broken = fmt.Errorf("write state file: %w", err)
			return s.broken
		}
	}
	s.apply(l)
	return nil
}

var errNoRoom = errors.New("no such room")

// change lets the function alter the room with nobody in between, and returns its answer. Where the function says that
// the answer is a refusal, or the file fails, the room stays as it was. An unknown id is errNoRoom.
func (s *store[R]) change(id uuid.UUID, alter func(*R) (answer reply, done bool)) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room, known := s.rooms[id]
	if !known {
		return reply{}, errNoRoom
	}
	answer, done := alter(&room)
	if !done {
		return answer, nil
	}
	return answer, s.keep(line[R]{Room: &room})
}

func (s *store[R]) find(id uuid.UUID) (R, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room, known := s.rooms[id]
	return room, known
}

func (s *store[R]) all() []R {
	s.mu.Lock()
	defer s.mu.Unlock()
	rooms := make([]R, len(s.order))
	for i, id := range s.order {
		rooms[i] = s.rooms[id]
	}
	return rooms
}

func (s *store[R]) creations() []Creation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *store[R]) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = errors.New("the stand-in is closed")
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// update sets what is given. Nothing can be set back to null.
func (r *storedRoom) update(tags json.RawMessage, classroom *uuid.UUID) {
	if tags != nil {
		r.Tags = tags
	}
	if classroom != nil {
		r.ClassroomID = *classroom
	}
}
