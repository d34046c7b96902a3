package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"minigroups/activities"
	"minigroups/minigroup"
)

// Search attributes of every run of a minigroup. They hold nothing secret or personal.
var (
	AttributeID        = temporal.NewSearchAttributeKeyKeyword("MinigroupId")
	AttributeScope     = temporal.NewSearchAttributeKeyKeyword("MinigroupScope")
	AttributeAudience  = temporal.NewSearchAttributeKeyKeyword("MinigroupAudience")
	AttributeStage     = temporal.NewSearchAttributeKeyKeyword("MinigroupStage")
	AttributeAttention = temporal.NewSearchAttributeKeyBool("MinigroupAttention")
	// AttributeWaitingFor lists the services that the steps in need of attention wait for: event, conference, janus,
	// database, worker. It is unset when no step needs attention.
	AttributeWaitingFor = temporal.NewSearchAttributeKeyKeywordList("MinigroupWaitingFor")
)

// SearchAttributes returns the names and types (Keyword, KeywordList, Bool) of the search attributes that the Temporal
// namespace must have.
func SearchAttributes() map[string]string {
	out := map[string]string{}
	for _, key := range []temporal.SearchAttributeKey{
		AttributeID, AttributeScope, AttributeAudience, AttributeStage, AttributeAttention, AttributeWaitingFor,
	} {
		out[key.GetName()] = key.GetValueType().String()
	}
	return out
}

// The stages of a run: the values of MinigroupStage.
const (
	stageCreating = "creating"
	stageUpdating = "updating"
	stageUndoing  = "undoing"
	stageClosing  = "closing room"
	stageDone     = "done"
	stageFailed   = "failed"
)

// maxIDLength is the maximum length of a workflow id when Temporal keeps its state in PostgreSQL or MySQL, in bytes.
const maxIDLength = 255

// WorkflowID is the one workflow id of a minigroup. Every operation on the minigroup is a run under this id, so
// Temporal allows one at a time. Both parts are percent-escaped; an id that would be too long ends in a hash.
func WorkflowID(audience, scope string) string {
	id := activities.WorkflowIDPrefix + escape(audience) + "/" + escape(scope)
	if len(id) <= maxIDLength {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	tail := "~" + hex.EncodeToString(sum[:16])
	return id[:maxIDLength-len(tail)] + tail
}

// escape reserves '~' for the hash, so that no short id equals a hashed one.
func escape(part string) string { return strings.ReplaceAll(url.PathEscape(part), "~", "%7E") }

// RoomWorkflowID is the workflow id of CloseRoom.
func RoomWorkflowID(kind minigroup.RoomKind, room uuid.UUID) string {
	return fmt.Sprintf("room/%s/%s", kind, room)
}

// maxSummaryRunes keeps summaries within the 400 bytes that Temporal accepts, in any alphabet.
const maxSummaryRunes = 100

func summary(format string, args ...any) string {
	runes := []rune(fmt.Sprintf(format, args...))
	if len(runes) > maxSummaryRunes {
		runes = append(runes[:maxSummaryRunes-1], '…')
	}
	return string(runes)
}
