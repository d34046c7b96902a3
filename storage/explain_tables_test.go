package storage_test

// fillTables fills the tables as they are after some time: of 20,000 classes, 20 are being created, 20 undone, 200 have
// failed, 460 are open and the others have ended. Nearly all records are finished.
var fillTables = []string{
	`INSERT INTO janus_backend (id, admin_url) SELECT 'janus-' || n, 'u' FROM generate_series(1, 4) n`,
	`CREATE TEMPORARY TABLE class AS
	SELECT n, gen_random_uuid() AS id, now() - n * interval '10 minutes' AS at FROM generate_series(1, 20000) n`,
	`INSERT INTO minigroup (id, audience, scope, state, owner, during, host, locked_chat, fingerprint,
		created_at, changed_at, looked_up_at, failure, failed_at, closed_at, event_room_id, conference_room_id)
	SELECT id, 'example.org', n::text,
		CASE WHEN n <= 20 THEN 'creating' WHEN n <= 40 THEN 'undoing' WHEN n <= 240 THEN 'failed' ELSE 'ready' END, 'run',
		CASE WHEN n > 700 THEN tstzrange(at, at + interval '1 hour') WHEN n % 3 = 0 THEN tstzrange(at, NULL)
			ELSE tstzrange(now(), now() + n * interval '1 hour') END,
		'h', false, 'f', at, at, at,
		CASE WHEN n BETWEEN 21 AND 240 THEN '{"kind": "upstream_refused"}'::jsonb END,
		CASE WHEN n BETWEEN 41 AND 240 THEN at END, CASE WHEN n > 700 THEN at END,
		CASE WHEN n > 240 THEN gen_random_uuid() END, CASE WHEN n > 240 THEN gen_random_uuid() END
	FROM class`,
	`INSERT INTO room_attempt (id, class_id, kind, operation, state, room_id,
		sent_at, answered_at, expires_at, changed_at, run, fingerprint)
	SELECT gen_random_uuid(), id, 'event', 'create', 'held', event_room_id,
		created_at, created_at, created_at, created_at, 'run', 'f'
	FROM minigroup WHERE state = 'ready'
	UNION ALL
	SELECT gen_random_uuid(), id, 'conference', 'create', 'held', conference_room_id,
		created_at, created_at, created_at, created_at, 'run', 'f'
	FROM minigroup WHERE state = 'ready'
	UNION ALL
	SELECT gen_random_uuid(), id, 'event', 'create', CASE WHEN n <= 50 THEN 'releasing' ELSE 'released' END,
		gen_random_uuid(), at, at, at, at, 'run', 'f'
	FROM class`,
	`INSERT INTO room_attempt (id, class_id, kind, operation, state,
		sent_at, expires_at, changed_at, run, fingerprint, resolution, resolved_at)
	SELECT gen_random_uuid(), id, 'conference', 'create',
		CASE WHEN n <= 50 THEN 'sent' WHEN n <= 100 THEN 'lost' ELSE 'refused' END, at, at, at, 'run', 'f',
		CASE WHEN n BETWEEN 60 AND 100 THEN 'never_seen' END, CASE WHEN n BETWEEN 60 AND 100 THEN at END
	FROM class`,
	`INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, created_at, changed_at, fingerprint)
	SELECT gen_random_uuid(), id, 'janus-' || n % 4 + 1, CASE WHEN n <= 700 THEN 'held' ELSE 'released' END, 1,
		tstzrange(at, at + interval '1 hour'), at, at, 'f'
	FROM class`,
	`INSERT INTO minigroup_update (id, class_id, state, run, requested, old_during, new_during, patch, failure,
		requested_at, decided_at, look_up_at)
	SELECT gen_random_uuid(), id,
		CASE WHEN age > 1 OR n > 100 THEN CASE WHEN n % 9 = 0 THEN 'failed' ELSE 'done' END
			WHEN n <= 20 THEN 'running' ELSE 'requested' END,
		'run', '{"host": "a.b.c"}', '[,)', '[,)', '{}',
		CASE WHEN (age > 1 OR n > 100) AND n % 9 = 0 THEN '{"kind": "upstream_refused"}'::jsonb END, at,
		CASE WHEN age > 1 OR n > 100 THEN at END, CASE WHEN age > 1 AND n <= 20 THEN at END
	FROM class, generate_series(2, 1, -1) age`,
	`UPDATE minigroup m SET last_update_id = u.id FROM minigroup_update u WHERE u.class_id = m.id AND u.state <> 'done'`,
	`INSERT INTO announced_room (room_id, class_id, kind, state, created_at, changed_at)
	SELECT gen_random_uuid(), id, 'event',
		CASE WHEN n <= 20 THEN 'announced' WHEN n <= 40 THEN 'releasing' ELSE 'released' END, at, at
	FROM class`,
	`INSERT INTO closed_room (room_id, class_id, timed_out, received_at, settled)
	SELECT coalesce(conference_room_id, gen_random_uuid()), id, false, created_at, row_number() OVER () > 20
	FROM minigroup`,
	`INSERT INTO outbox (audience, label, payload) SELECT 'example.org', 'minigroup.stop', '{}' FROM class`,
	`INSERT INTO account (audience, label, properties) SELECT 'example.org', n::text, '{}' FROM class`,
	`INSERT INTO dispatcher_class (class_id, source, revision, last) SELECT id, 's', 0, 'imported' FROM class`,
	`INSERT INTO idempotency_key (id, fingerprint, created_at) SELECT n::text, 'f', at FROM class`,
	`DROP TABLE class`,
	`ANALYZE`,
}

// fill fills the tables, and checks that none was left out.
func (l ledger) fill() {
	l.Helper()
	for _, sql := range fillTables {
		l.exec(sql)
	}
	small := l.texts(`
		SELECT relname::text FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples < 20000 AND NOT relname = ANY($1)`,
		fixed)
	if len(small) > 0 {
		l.Fatalf("there are few rows in %v", small)
	}
}
