package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
)

// Search attributes of every run of a minigroup. Nothing secret or personal goes into them.
var (
	AttributeID        = temporal.NewSearchAttributeKeyKeyword("MinigroupId")
	AttributeScope     = temporal.NewSearchAttributeKeyKeyword("MinigroupScope")
	AttributeAudience  = temporal.NewSearchAttributeKeyKeyword("MinigroupAudience")
	AttributeStage     = temporal.NewSearchAttributeKeyKeyword("MinigroupStage")
	AttributeAttention = temporal.NewSearchAttributeKeyBool("MinigroupAttention")
	// AttributeWaitingFor lists the services that steps with attention raised wait for: event, conference, janus, database,
	// worker. It is unset where there is no such step.
	AttributeWaitingFor = temporal.NewSearchAttributeKeyKeywordList("MinigroupWaitingFor")
)

// SearchAttributes are the names and types (Keyword, KeywordList, Bool) that the Temporal namespace must have.
func SearchAttributes() map[string]string {
	out := map[string]string{}
	for _, key := range []temporal.SearchAttributeKey{
		AttributeID, AttributeScope, AttributeAudience, AttributeStage, AttributeAttention, AttributeWaitingFor,
	} {
		out[key.GetName()] = key.GetValueType().String()
	}
	return out
}

// The stages of a run, as MinigroupStage tells them.
const (
	stageCreating = "creating"
	stageUpdating = "updating"
	stageUndoing  = "undoing"
	stageClosing  = "closing room"
	stageDone     = "done"
	stageFailed   = "failed"
)

// maxIDLength is what a workflow id may have where Temporal keeps its state in PostgreSQL or MySQL.
const maxIDLength = 255

// WorkflowID is the one workflow id of a minigroup: every operation on it is a run under this id, so Temporal itself keeps
// them apart. Both parts are percent-escaped; what would be too long ends in a hash instead.
func WorkflowID(audience, scope string) string {
	id := "minigroup/" + escape(audience) + "/" + escape(scope)
	if len(id) <= maxIDLength {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	tail := "~" + hex.EncodeToString(sum[:16])
	return id[:maxIDLength-len(tail)] + tail
}

// ClassOf is the minigroup that a workflow id is that of; false where the id does not tell, as one that ends in a hash.
func ClassOf(workflowID string) (uuid.UUID, bool) {
	rest, ok := strings.CutPrefix(workflowID, "minigroup/")
	audience, scope, both := strings.Cut(rest, "/")
	if !ok || !both || strings.Contains(rest, "~") {
		return uuid.Nil, false
	}
	audience, audienceErr := url.PathUnescape(audience)
	scope, scopeErr := url.PathUnescape(scope)
	return minigroup.ClassID(audience, scope), audienceErr == nil && scopeErr == nil
}

// escape keeps '~' for the hash, so that no scope can be chosen which reads like the id of a longer one.
func escape(part string) string { return strings.ReplaceAll(url.PathEscape(part), "~", "%7E") }

// roomWorkflowID is the workflow id of closing a room.
func roomWorkflowID(kind minigroup.RoomKind, room uuid.UUID) string {
	return fmt.Sprintf("room/%s/%s", kind, room)
}

// maxSummaryRunes keeps summaries within the 400 bytes that Temporal takes, whatever the alphabet.
const maxSummaryRunes = 100

func summary(format string, args ...any) string {
	runes := []rune(fmt.Sprintf(format, args...))
	if len(runes) > maxSummaryRunes {
		runes = append(runes[:maxSummaryRunes-1], '…')
	}
	return string(runes)
}
