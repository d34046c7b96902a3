package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// instant is a time in microseconds since 1970, the resolution of the services' databases.
type instant int64

func at(t time.Time) instant { return instant(t.UnixMicro()) }

func fromSeconds(s int64) instant { return instant(s * 1_000_000) }

// unixSeconds rounds down to seconds.
func (i instant) unixSeconds() int64 { return time.UnixMicro(int64(i)).Unix() }

// timespan is the time of a room, [From, To). nil is unbounded.
type timespan struct {
	From *instant `json:"from"`
	To   *instant `json:"to"`
}

func (t timespan) unixSeconds() [2]*int64 {
	side := func(i *instant) *int64 {
		if i == nil {
			return nil
		}
		s := i.unixSeconds()
		return &s
	}
	return [2]*int64{side(t.From), side(t.To)}
}

// ended reports whether the end is not after now.
func (t timespan) ended(now instant) bool { return t.To != nil && *t.To <= now }

// begun reports whether there is no start or it is not after now.
func (t timespan) begun(now instant) bool { return t.From == nil || *t.From <= now }

// valid is the rule of both services for the time in a request: a start, and no end or one after the start.
func (t timespan) valid() bool {
	return t.From != nil && (t.To == nil || *t.From < *t.To)
}

// storable returns nil, or the error with which the services' database refuses the range.
func (t timespan) storable() error {
	switch {
	case t.From == nil || t.To == nil || *t.From < *t.To:
		return nil
	case *t.From == *t.To:
		return errors.New(`error returned from database: ` +
			`new row for relation "room" violates check constraint "room_time_presence"`)
	default:
		return errors.New("error returned from database: " +
			"range lower bound must be less than or equal to range upper bound")
	}
}

// The range of seconds of the services' date type.
const (
	earliestSecond = -8_334_632_851_200
	latestSecond   = 8_210_298_412_799
)

// secondsBeyond is how a service reads seconds outside the range of its date type.
type secondsBeyond func(seconds int64) (instant, error)

func refuseSeconds(seconds int64) (instant, error) {
	return 0, fmt.Errorf("cannot convert %d secs to NaiveDateTime", seconds)
}

func epochForSeconds(int64) (instant, error) { return 0, nil }

// errTrailing is the only error in a time that the services treat as a syntax error.
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
