package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// instant is a moment in microseconds since 1970, the resolution in which the services store time.
type instant int64

func at(t time.Time) instant { return instant(t.UnixMicro()) }

func fromSeconds(s int64) instant { return instant(s * 1_000_000) }

// seconds drops the fraction, rounding down.
func (i instant) seconds() int64 { return time.UnixMicro(int64(i)).Unix() }

// timespan is the time of a room, [From, To); nil is unbounded.
type timespan struct {
	From *instant `json:"from"`
	To   *instant `json:"to"`
}

func (t timespan) wire() [2]*int64 {
	side := func(i *instant) *int64 {
		if i == nil {
			return nil
		}
		s := i.seconds()
		return &s
	}
	return [2]*int64{side(t.From), side(t.To)}
}

// ended: the end has come.
func (t timespan) ended(now instant) bool { return t.To != nil && *t.To <= now }

// begun: the start has come, or there is none.
func (t timespan) begun(now instant) bool { return t.From == nil || *t.From <= now }

// acceptable is the rule of both services for times given by a client: a start, and an end after it or none.
func (t timespan) acceptable() bool {
	return t.From != nil && (t.To == nil || *t.From < *t.To)
}

// stored returns the error with which the database refuses a range, if it does.
func (t timespan) stored() error {
	switch {
	case t.From == nil || t.To == nil || *t.From < *t.To:
		return nil
	case *t.From == *t.To:
		return errors.New(`error returned from database: new row for relation "room" violates check constraint "room_time_presence"`)
	default:
		return errors.New("error returned from database: range lower bound must be less than or equal to range upper bound")
	}
}

// The seconds that the services' date type holds.
const (
	earliestSecond = -8_334_632_851_200
	latestSecond   = 8_210_298_412_799
)

// secondsBeyond says what a service makes of seconds that its date type cannot hold.
type secondsBeyond func(seconds int64) (instant, error)

func refuseSeconds(seconds int64) (instant, error) {
	return 0, fmt.Errorf("cannot convert %d secs to NaiveDateTime", seconds)
}

func epochForSeconds(int64) (instant, error) { return 0, nil }

// errTrailing is a syntax error to the services, unlike everything else that can be wrong with a time.
var errTrailing = errors.New("trailing characters")

func parseTimespan(raw json.RawMessage, beyond secondsBeyond) (timespan, error) {
	const expected = "expected a [lt, rt) range of unix time (seconds) or null (unbounded)"
	var sides []json.RawMessage
	if err := json.Unmarshal(raw, &sides); err != nil || isNull(raw) {
		return timespan{}, fmt.Errorf("invalid type: %s, %s", raw, expected)
	}
	if len(sides) < 2 {
		return timespan{}, fmt.Errorf("invalid length 2, %s", expected)
	}
	from, err := parseSeconds(sides[0], beyond)
	if err != nil {
		return timespan{}, err
	}
	to, err := parseSeconds(sides[1], beyond)
	if err != nil {
		return timespan{}, err
	}
	if len(sides) > 2 {
		return timespan{}, errTrailing
	}
	return timespan{From: from, To: to}, nil
}

func parseSeconds(raw json.RawMessage, beyond secondsBeyond) (*instant, error) {
	if isNull(raw) {
		return nil, nil
	}
	seconds, err := parseInteger(raw, 64)
	if err != nil {
		return nil, err
	}
	moment := fromSeconds(seconds)
	if seconds < earliestSecond || seconds > latestSecond {
		if moment, err = beyond(seconds); err != nil {
			return nil, err
		}
	}
	return &moment, nil
}
