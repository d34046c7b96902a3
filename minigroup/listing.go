package minigroup

import (
	"time"

	"github.com/google/uuid"
)

// ListFilter selects minigroups of one audience. A zero field selects all of them.
type ListFilter struct {
	Audience string
	Status   Status
	// ScopePrefix is what the scope begins with.
	ScopePrefix string
	Host        string
	// Time selects the minigroups whose time overlaps it.
	Time Window
	// CreatedSince and ChangedSince select minigroups that were created or have changed then or later.
	CreatedSince, ChangedSince time.Time
	// RoomID is a room at event or conference, or on a gateway, that the minigroup has or had.
	RoomID uuid.UUID
	// RequestID is that of a request which the history of the minigroup names.
	RequestID string
	// NeedsAttention selects the minigroups with an operation that is open for too long.
	NeedsAttention bool
}

// ListPosition is the place of a minigroup in a list: the latest created is the first one.
type ListPosition struct {
	CreatedAt time.Time
	ID        uuid.UUID
}

// ListedMinigroup is a minigroup in a list.
type ListedMinigroup struct {
	Minigroup
	ChangedAt time.Time
	// NeedsAttention says that its create, undo or update is open for too long.
	NeedsAttention bool
}

// ListPage is a part of a list, the latest created first.
type ListPage struct {
	Minigroups []ListedMinigroup
	// Next is the position after which the list goes on; nil at its end. A page that is not full may have one, too: the
	// search has read as much as it may at a time.
	Next *ListPosition
}

// StatusCounts counts minigroups of one audience, each up to a limit.
type StatusCounts struct {
	Creating, RealTime, Failed, NeedsAttention int
}
