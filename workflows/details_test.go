package workflows

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestDetails(t *testing.T) {
	since := time.Date(2026, 11, 23, 10, 2, 3, 0, time.UTC)
	const under = "\n" + pendingHint
	for _, c := range []struct {
		name string
		p    Progress
		want string
	}{
		{
			name: "a create in its local attempts",
			p: Progress{Operation: operationCreate, Stage: stageCreating, Steps: []*Step{
				{Title: "Create the event room", Since: since},
			}},
			want: "Creating.\n\n- **Create the event room**: first attempt, since 2026-11-23 10:02:03 UTC.\n",
		},
		{
			name: "a create that needs attention",
			p: Progress{
				Operation: operationCreate, Stage: stageCreating, Attention: true, WaitingFor: []string{"conference", "event"},
				Steps: []*Step{
					{
						Title: "Create the event room", Since: since, Retrying: true, MaxAttempts: new(int32(80)),
						LastError: "create event room: event answered 503", WaitingFor: "event",
					},
					{
						Title: "Create the conference room", Since: since, Retrying: true, Attention: true,
						MaxAttempts: new(int32(80)), LastError: "conference said `no`", WaitingFor: "conference",
					},
				},
			},
			want: "**Needs attention**: it waits for conference and event. Creating.\n\n" +
				"- **Create the event room**: retried, at most 80 times, since 2026-11-23 10:02:03 UTC. " +
				"It waits for event. First error: `create event room: event answered 503`\n" +
				"- **Create the conference room**: **needs attention**, retried, at most 80 times, " +
				"since 2026-11-23 10:02:03 UTC. It waits for conference. First error: `conference said 'no'`\n" +
				under + "*Cancel* ends it and undoes everything.\n" + runbookHint,
		},
		{
			name: "an undo",
			p: Progress{Operation: operationCreate, Stage: stageUndoing, Reason: "conference refused", Steps: []*Step{
				{
					Title: "Close event room 1", Since: since, Retrying: true, Attention: true, MaxAttempts: new(int32(0)),
					LastError: "EOF", WaitingFor: "event",
				},
			}},
			want: "Undoing, because: `conference refused`.\n\n" +
				"- **Close event room 1**: **needs attention**, retried, without limit, " +
				"since 2026-11-23 10:02:03 UTC. It waits for event. First error: `EOF`\n" +
				under + "*Cancel* does not stop an undo: it goes on until everything is closed.\n" + runbookHint,
		},
		{
			name: "a failed create",
			p: Progress{
				Operation: operationCreate, Stage: stageFailed, Outcome: outcomeFailed, Reason: "conference refused",
			},
			want: "**Failed**: `conference refused`\n\n" +
				"Everything was undone. The same request starts it again; see docs/runbook.md.\n",
		},
		{
			name: "a room whose run was cancelled",
			p:    Progress{Operation: operationClose, Stage: stageFailed, Outcome: outcomeCancelled, Reason: "it was cancelled"},
			want: "**Cancelled**: `it was cancelled`\n\nThe sweeper starts it again within some minutes.\n",
		},
		{
			name: "a run that is done",
			p:    Progress{Stage: stageDone, Outcome: outcomeDone},
			want: "**Done.**\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.p.details(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestPurpose(t *testing.T) {
	d := minigroup.Draft{
		Audience: "example.org", Scope: "math_7b`*", Host: "ms-smith.example.org",
		Time: minigroup.Window{Start: new(int64(1795559214))},
		Tags: json.RawMessage(`{"of":"ms-smith"}`), Properties: json.RawMessage(`{"of":"ms-smith"}`),
		Reserve: new(int32(8)), LockedChat: true,
	}
	r := minigroup.NewCreateRequest(d)
	m := minigroup.Minigroup{Draft: d, ID: r.ID}
	id := r.ID.String()
	class := "- class id: " + id + "\n- in the API: `/api/v1/minigroups/" + id + "`\n"
	about := "- scope: `math_7b'*`\n- audience: `example.org`\n" + class
	change := minigroup.Change{
		Time: &minigroup.Window{End: new(int64(1795562814))}, Host: new("ms-smith.example.org"), Reserve: new(int32(9)),
	}
	recreate := minigroup.Change{Recreate: &minigroup.Recreation{LockedQuestions: new(true)}}
	room := minigroup.RoomPendingClose{Kind: minigroup.EventRoom, ID: uuid.New(), ClassID: r.ID}
	for _, c := range []struct{ name, got, begins, ends string }{
		{
			name: "a create", got: createPurpose(r), begins: "Creates a minigroup",
			ends: about + "- time: 2026-11-24 22:26:54 UTC to no end\n- reserve: 8 slots\n- locked: the chat\n",
		},
		{
			name: "an update", got: updatePurpose(m, change), begins: "Changes a minigroup",
			ends: about + "- time: no start to 2026-11-24 23:26:54 UTC\n- reserve: 9 slots\n- host: another one\n",
		},
		{
			name: "a repair", got: updatePurpose(m, minigroup.Change{Host: change.Host, Repair: true}),
			begins: "Repairs a minigroup", ends: about + "- host: another one\n",
		},
		{
			name: "a recreate", got: updatePurpose(m, recreate), begins: "Gives a minigroup new rooms",
			ends: about + "- locked: the questions\n",
		},
		{name: "an undo", got: undoPurpose(m), begins: "Undoes the create", ends: about},
		{
			name: "a recreate whose run is gone", got: failRecreatePurpose(m), begins: "Ends the recreate",
			ends: about,
		},
		{
			name: "the close of a room", got: closeRoomPurpose(room), begins: "Closes a room",
			ends: "- room: " + room.ID.String() + " in event\n" + class,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.HasPrefix(c.got, c.begins) || !strings.HasSuffix(c.got, neverTerminate+c.ends+runbookHint) {
				t.Errorf("got\n%s", c.got)
			}
			if strings.Contains(c.got, "smith") {
				t.Error("it contains personal data")
			}
		})
	}
}
