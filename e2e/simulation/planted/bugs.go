package main

// edit replaces a text of a file, which must contain it once.
type edit struct {
	file, old, new string
}

// bug is a mistake that the search must find.
type bug struct {
	name  string
	edits []edit
}

var bugs = []bug{
	{"a run acts on a row that another run owns", []edit{
		{"storage/lock.go", "r.owner == run && slices.Contains", "slices.Contains"},
		{"storage/lock.go", "if r.owner == c.Run ||", "if true || r.owner == c.Run ||"},
		{"storage/create.go", "`m.id = $1 AND m.owner = $2 AND m.state = 'creating'",
			"`m.id = $1 AND $2 <> '' AND m.state = 'creating'"},
	}},
	{"every run counts as the current one", []edit{
		{"workflows/join.go", "return open != nil && open.runID == runID, nil", "return open != nil || runID != \"\", nil"},
	}},
	{"an undo ends with the context of its run", []edit{
		{"workflows/undo.go", "workflow.NewDisconnectedContext(ctx)", "workflow.WithCancel(ctx)"},
	}},
	{"an undo that a lost execution of its run has begun is not continued", []edit{
		{"workflows/create.go", "if !begun {", "if true || !begun {"},
	}},
	{"a commit ends with the context of its run", []edit{
		{"workflows/update.go", `	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := activities.UpdateRef{ID: ref.ID, ClassID: ref.ClassID}
	committed`, `	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	in := activities.UpdateRef{ID: ref.ID, ClassID: ref.ClassID}
	committed`},
	}},
	{"an equal request joins a run that has failed", []edit{
		{"workflows/join.go", "if err == nil && !decided && open.requestedBy(r) {",
			"if err == nil && open.requestedBy(r) {"},
	}},
	{"slots are not read again after the gateway has answered", []edit{
		{"activities/reservation.go", "if err != nil || slots == r.Slots {", "if err != nil || slots >= 0 {"},
	}},
	{"another worker sends a second request while one is in flight", []edit{
		{"storage/attempts.go", "AND (a.state = 'held' OR a.state = 'sent' AND a.expires_at > now())\n\t\tOR m.owner",
			"AND a.state = 'held'\n\t\tOR m.owner"},
		{"storage/attempts.go", "AND (a.state = 'held' OR a.state = 'sent' AND a.expires_at > now()))\n\tRETURNING",
			"AND a.state = 'held')\n\tRETURNING"},
	}},
	{"a recreate takes rooms that are marked for closing", []edit{
		{"storage/recreate.go", "AND event.state = 'held' AND event.fingerprint = u.id::text",
			"AND event.room_id IS NOT NULL AND event.fingerprint = u.id::text"},
		{"storage/recreate.go", "AND conference.state = 'held' AND conference.fingerprint = u.id::text`",
			"AND conference.room_id IS NOT NULL AND conference.fingerprint = u.id::text`"},
	}},
	{"a recreate forgets requests in flight", []edit{
		{"storage/recreate.go", "WHERE class_id = $1 AND state IN ('sent', 'held')\n",
			"WHERE class_id = $1 AND state IN ('held')\n"},
		{"storage/attempts.go", "AND h.operation = a.operation AND h.state = 'held')", "AND h.state = 'nothing')"},
	}},
	{"a recreate that fails keeps its rooms", []edit{
		{"storage/update_decide.go",
			"WHERE class_id = $1 AND operation = 'recreate' AND state IN ('sent', 'held')`, classID)",
			"WHERE class_id = $1 AND operation = 'recreate' AND state = 'sent'`, classID)"},
	}},
	{"events are deleted from the outbox before they are published", []edit{
		{"storage/outbox.go", "UPDATE outbox SET claimed_until = now() + $1::interval WHERE id = ANY",
			"DELETE FROM outbox WHERE $1::interval IS NOT NULL AND id = ANY"},
	}},
	{"an undo ends without looking for rooms again", []edit{
		{"storage/undo.go", "tx, id); err != nil || len(open) > 0 {\n\t\t\treturn err\n\t\t}\n\t\t_, err = tx.Exec",
			"tx, id); err != nil {\n\t\t\treturn err\n\t\t}\n\t\topen = nil\n\t\t_, err = tx.Exec"},
	}},
	{"an undo forgets requests in flight", []edit{
		{"storage/undo.go", "WHERE class_id = $1 AND state IN ('sent', 'held')`, id)",
			"WHERE class_id = $1 AND state IN ('held')`, id)"},
	}},
	{"announced rooms are closed while their reply may arrive", []edit{
		{"storage/room_events.go", "AND t.room_id IS NULL AND t.state IN ('sent', 'releasing'))`)",
			"AND t.room_id IS NULL AND t.state IN ('releasing'))`)"},
	}},
	{"announced rooms are never closed", []edit{
		{"storage/room_events.go", "UPDATE announced_room r SET state = 'releasing' WHERE state = 'announced'\n",
			"UPDATE announced_room r SET state = 'releasing' WHERE state = 'nothing'\n"},
	}},
	{"a class that ends keeps its slots", []edit{
		{"storage/end.go", "FROM ended WHERE r.class_id = ended.id AND r.state IN ('pending', 'held')",
			"FROM ended WHERE r.class_id = ended.id AND r.state IN ('pending')"},
	}},
	{"a class ends without an event", []edit{
		{"storage/end.go", "FROM ended WHERE $2::boolean", "FROM ended WHERE $2::boolean AND false"},
	}},
	{"a class ends while an update of it is undecided", []edit{
		{"storage/end.go", "const hasClosed = `(NOT ` + undecided + ` AND EXISTS (", "const hasClosed = `(EXISTS ("},
		{"storage/end.go", "WHERE NOT c.settled AND m.closed_at IS NULL AND NOT `+undecided+` LIMIT $1`",
			"WHERE NOT c.settled AND m.closed_at IS NULL LIMIT $1`"},
	}},
	{"an update misses that the room was closed meanwhile", []edit{
		{"storage/update_decide.go", "AND (` + hasClosed + ` OR EXISTS (", "AND (EXISTS ("},
		{"storage/end.go", "WHERE m.id = c.class_id AND NOT `+undecided+` AND (m.closed_at IS NOT NULL",
			"WHERE m.id = c.class_id AND (m.closed_at IS NULL OR m.closed_at IS NOT NULL"},
	}},
	{"a late PATCH of an update that was forced to fail is not looked for", []edit{
		{"storage/update_decide.go", "look_up_at = CASE WHEN $4 AND patch_until",
			"look_up_at = CASE WHEN $4 AND false AND patch_until"},
	}},
	{"a PATCH without an answer counts as executed", []edit{
		{"activities/patch.go", "\treturn false, nil\n}\n\n// sendPatch", "\treturn true, nil\n}\n\n// sendPatch"},
	}},
	{"an update fails although its PATCH may have been executed", []edit{
		{"storage/update_decide.go", "AND (NOT $3 OR patch_until IS NULL)`", "AND ($3 OR NOT $3)`"},
	}},
	{"an update ignores the revision that it was made for", []edit{
		{"storage/update_begin.go", "AND m.revision = coalesce($12, m.revision)", "AND $12::bigint IS DISTINCT FROM -1"},
	}},
	{"a recreate begins with what it was planned for before its class ended", []edit{
		{"storage/update_begin.go", "AND m.revision = $11 AND", "AND $11::bigint IS NOT NULL AND"},
	}},
	{"a room counts as closed before it is", []edit{
		{"activities/rooms.go",
			"\tif err != nil {\n\t\treturn asRetryable(err)\n\t}\n\treturn asRetryable(a.Ledger.RoomReleased",
			"\treturn asRetryable(a.Ledger.RoomReleased"},
	}},
	{"rooms pending close wait for a run that is gone", []edit{
		{"activities/sweep_classes.go", "s.Ledger.StaleClosings(ctx, minAge, batchSize)",
			"s.Ledger.StaleClosings(ctx, minAge, 0)"},
	}},
	{"sagas whose run is gone are not recovered", []edit{
		{"activities/sweep_classes.go", "s.Ledger.OpenSagas(ctx, minAge, batchSize)", "s.Ledger.OpenSagas(ctx, minAge, 0)"},
	}},
	{"attempts of processes that died never expire", []edit{
		{"storage/attempts.go", "AND state IN ('sent', 'releasing') AND expires_at <= now()`)",
			"AND state IN ('sent') AND expires_at <= now()`)"},
	}},
	{"requests with one idempotency key are answered differently", []edit{
		{"httpapi/idempotency.go", "\treturn stored\n}", "\t_ = stored\n\treturn own\n}"},
	}},
}
