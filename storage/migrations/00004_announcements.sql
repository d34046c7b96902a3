-- +goose Up

-- A room that event or conference has announced for a class of ours and that no reply has brought. Most are soon: then the
-- row goes. One that stays when no request of its class and kind can be answered any more is closed.
CREATE TABLE found_room (
    room_id      uuid        PRIMARY KEY,
    class_id     uuid        NOT NULL REFERENCES minigroup (id),
    kind         text        NOT NULL,
    -- found ─► releasing ─► released.
    state        text        NOT NULL DEFAULT 'found',
    -- By the clock of its service.
    made_at      timestamptz NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT found_kind_is_known  CHECK (kind IN ('event', 'conference')),
    CONSTRAINT found_state_is_known CHECK (state IN ('found', 'releasing', 'released'))
);
CREATE INDEX found_open ON found_room (class_id, kind) WHERE state <> 'released';

CREATE TRIGGER found_transition BEFORE UPDATE ON found_room
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition('found to releasing', 'releasing to released');

-- A conference room of a class of ours that conference has announced to be closed, whoever holds it, perhaps nobody yet.
CREATE TABLE closed_room (
    room_id   uuid        PRIMARY KEY,
    class_id  uuid        NOT NULL REFERENCES minigroup (id),
    -- Its host did not come back.
    timed_out boolean     NOT NULL,
    heard_at  timestamptz NOT NULL DEFAULT now(),
    -- Nothing can follow from it any more: its class has ended, or the room was never that of its class.
    settled   boolean     NOT NULL DEFAULT false
);
CREATE INDEX closed_open ON closed_room (class_id) WHERE NOT settled;

-- What is to be announced by this service. A row goes when the broker has taken it.
CREATE TABLE outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    audience   text        NOT NULL,
    label      text        NOT NULL,
    payload    jsonb       NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE minigroup
    -- The class ended because its host did not come back.
    ADD COLUMN timed_out    boolean     NOT NULL DEFAULT false,
    -- When conference was asked last whether it has closed the room of a class without an end.
    ADD COLUMN looked_up_at timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT minigroup_timed_out_is_closed CHECK (NOT timed_out OR closed_at IS NOT NULL);

-- The classes that may have to be ended by time.
CREATE INDEX minigroup_to_end ON minigroup (upper(during)) WHERE state = 'ready' AND closed_at IS NULL;
CREATE INDEX minigroup_to_look_up ON minigroup (looked_up_at) WHERE state = 'ready' AND closed_at IS NULL AND upper_inf(during);

ALTER TABLE room_attempt
    -- What became of a lost attempt: its room was found and closed, or was not seen for long. Null where that is open.
    ADD COLUMN resolution  text,
    ADD COLUMN resolved_at timestamptz,
    ADD CONSTRAINT attempt_resolution_is_known CHECK (resolution IN ('closed', 'never_seen')),
    ADD CONSTRAINT attempt_resolution_has_time CHECK ((resolution IS NULL) = (resolved_at IS NULL)),
    ADD CONSTRAINT attempt_resolved_is_lost    CHECK (resolution IS NULL OR state = 'lost');
CREATE INDEX attempt_lost ON room_attempt (expires_at) WHERE state = 'lost' AND resolution IS NULL;

-- +goose Down
DROP INDEX attempt_lost, minigroup_to_look_up, minigroup_to_end;
ALTER TABLE room_attempt DROP COLUMN resolution, DROP COLUMN resolved_at;
ALTER TABLE minigroup DROP COLUMN timed_out, DROP COLUMN looked_up_at;
DROP TABLE outbox, closed_room, found_room;
