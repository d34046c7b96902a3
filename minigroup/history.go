package minigroup

import (
	"encoding/json"
	"time"
)

// Requester says who has requested an operation, and why. The zero value is the service itself.
type Requester struct {
	// Account is that of the API request; the zero account if an operator has requested the operation.
	Account Account
	// Operator is the user of the operators' tool.
	Operator string
	// Reason is what the requester gave as reason; it may be empty.
	Reason string
	// RequestID and TraceID are those of the API request, where known.
	RequestID string
	TraceID   string
}

// MaxReason is the maximum length of a reason, in characters.
const MaxReason = 500

// HistoryKind says what has happened to a class.
type HistoryKind string

// The kinds of history. Those of updates, recreates and repairs are composed of the operation and what became of it.
const (
	HistoryCreateRequested     HistoryKind = "create_requested"
	HistoryCreateRetried       HistoryKind = "create_retried"
	HistoryCreateDone          HistoryKind = "create_done"
	HistoryUndoBegun           HistoryKind = "undo_begun"
	HistoryCreateFailed        HistoryKind = "create_failed"
	HistoryUpdateRequested     HistoryKind = "update_requested"
	HistoryUpdateDone          HistoryKind = "update_done"
	HistoryUpdateFailed        HistoryKind = "update_failed"
	HistoryUpdateForceFailed   HistoryKind = "update_force_failed"
	HistoryRecreateRequested   HistoryKind = "recreate_requested"
	HistoryRecreateDone        HistoryKind = "recreate_done"
	HistoryRecreateFailed      HistoryKind = "recreate_failed"
	HistoryRecreateForceFailed HistoryKind = "recreate_force_failed"
	HistoryRepairRequested     HistoryKind = "repair_requested"
	HistoryRepairDone          HistoryKind = "repair_done"
	HistoryRepairFailed        HistoryKind = "repair_failed"
	HistoryRepairForceFailed   HistoryKind = "repair_force_failed"
	HistoryCancelRequested     HistoryKind = "cancel_requested"
	HistoryRecovered           HistoryKind = "recovered"
	HistoryEnded               HistoryKind = "ended"
	HistoryRoomRefused         HistoryKind = "room_refused"
	HistoryRoomUnanswered      HistoryKind = "room_unanswered"
	HistoryGatewayMoved        HistoryKind = "gateway_moved"
	HistoryRoomReleased        HistoryKind = "room_released"
	HistorySlotsReleased       HistoryKind = "slots_released"
	HistoryEventDiscarded      HistoryKind = "event_discarded"
	HistoryPersonalDataErased  HistoryKind = "personal_data_erased"
	HistoryImported            HistoryKind = "imported"
	HistoryExported            HistoryKind = "exported"
)

// HistoryKinds lists all kinds of history.
func HistoryKinds() []HistoryKind {
	return []HistoryKind{
		HistoryCreateRequested, HistoryCreateRetried, HistoryCreateDone, HistoryUndoBegun, HistoryCreateFailed,
		HistoryUpdateRequested, HistoryUpdateDone, HistoryUpdateFailed, HistoryUpdateForceFailed,
		HistoryRecreateRequested, HistoryRecreateDone, HistoryRecreateFailed, HistoryRecreateForceFailed,
		HistoryRepairRequested, HistoryRepairDone, HistoryRepairFailed, HistoryRepairForceFailed,
		HistoryCancelRequested, HistoryRecovered, HistoryEnded, HistoryRoomRefused, HistoryRoomUnanswered,
		HistoryGatewayMoved, HistoryRoomReleased, HistorySlotsReleased, HistoryEventDiscarded,
		HistoryPersonalDataErased, HistoryImported, HistoryExported,
	}
}

// HistoryEntry is what has happened to a class at one time.
type HistoryEntry struct {
	// Number orders the entries of a class.
	Number int64
	Kind   HistoryKind
	At     time.Time
	By     Requester
	// Run is the run that did it, or that it concerns; empty if there is none.
	Run string
	// Details is a JSON object with the values that belong to the kind.
	Details json.RawMessage
	// Erased says that personal data was removed from By and Details.
	Erased bool
}
