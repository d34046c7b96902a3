-- +goose Up

-- CHECKs say which rows are valid; the transition trigger of a table says which state may follow which. What they
-- refuse is a bug in the code. docs/ledger.md has pictures of the states.

-- ─── History ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- What has happened to each class, who asked for it and why. Triggers write it, in the transaction that changes the
-- ledger, so nothing changes without it. Rows are not changed, except to erase personal data, and are deleted when
-- their retention has passed.
CREATE TABLE minigroup_history (
    -- Without a foreign key: minigroups are not deleted, and its check would lock the minigroup once more.
    class_id   uuid        NOT NULL,
    -- Orders the rows of a class.
    number     bigint      GENERATED ALWAYS AS IDENTITY,
    kind       text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    -- Who has asked for it: {"account": {"label", "audience"}, "operator", "reason", "request_id", "trace_id"}. Null if
    -- the service did it of itself.
    by_whom    jsonb,
    -- The run that did it, or that it concerns; empty if there is none.
    run        text        NOT NULL,
    -- The values that belong to the kind, such as {"old", "new"} of an update.
    details    jsonb       NOT NULL,
    -- Personal data was removed from by_whom and details.
    erased     boolean     NOT NULL DEFAULT false,

    PRIMARY KEY (class_id, number),
    CONSTRAINT history_kind_is_known CHECK (kind IN (
        'create_requested', 'create_retried', 'create_done', 'undo_begun', 'create_failed',
        'update_requested', 'update_done', 'update_failed', 'update_force_failed',
        'recreate_requested', 'recreate_done', 'recreate_failed', 'recreate_force_failed',
        'repair_requested', 'repair_done', 'repair_failed', 'repair_force_failed',
        'cancel_requested', 'recovered', 'ended', 'room_refused', 'room_unanswered', 'gateway_moved',
        'room_released', 'slots_released', 'event_discarded', 'personal_data_erased', 'imported', 'exported'))
);

-- For the purge.
CREATE INDEX history_to_purge ON minigroup_history (at);
-- For lists: the classes that a request concerned.
CREATE INDEX history_of_request ON minigroup_history ((by_whom->>'request_id'), at)
    WHERE by_whom->>'request_id' IS NOT NULL;

-- +goose StatementBegin
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING MESSAGE = 'the history of a class is not changed';
END $$;
-- +goose StatementEnd

CREATE TRIGGER history_is_kept BEFORE UPDATE ON minigroup_history
    FOR EACH ROW WHEN (NOT NEW.erased OR
        to_jsonb(OLD) - ARRAY['by_whom', 'details', 'erased'] <> to_jsonb(NEW) - ARRAY['by_whom', 'details', 'erased'])
    EXECUTE FUNCTION keep_history();

-- add_history adds a row. The setting minigroups.actor of the transaction takes precedence over by_whom: it is somebody
-- who interferes with what another has asked for.
-- +goose StatementBegin
CREATE FUNCTION add_history(kind text, class_id uuid, run text, by_whom jsonb, details jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO minigroup_history (kind, class_id, run, by_whom, details)
    VALUES (kind, class_id, run, coalesce(nullif(current_setting('minigroups.actor', true), '')::jsonb, by_whom),
        jsonb_strip_nulls(details));
END $$;
-- +goose StatementEnd

-- window_of is a window as [start, end] in unix seconds; null is unbounded.
CREATE FUNCTION window_of(during tstzrange) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN during IS NOT NULL THEN jsonb_build_array(
        extract(epoch FROM lower(during))::bigint, extract(epoch FROM upper(during))::bigint) END
$$;

-- values_of are the values that an update may change.
CREATE FUNCTION values_of(during tstzrange, host text, reserve integer) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('time', window_of(during), 'host', host, 'reserve', reserve)
$$;

-- check_transition refuses an update of the state that is not among the trigger's arguments, each 'from to to: kind'.
-- The kind is that of the row that it adds to the history. A transition with '-' adds none: it is a small step, and
-- what the steps lead to has a row.
-- +goose StatementBegin
CREATE FUNCTION check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    transition text := OLD.state || ' to ' || NEW.state || ': ';
    kind text;
BEGIN
    IF transition || '-' = ANY (TG_ARGV) THEN -- nearly all
        RETURN NEW;
    END IF;
    SELECT substr(a, length(transition) + 1) INTO kind FROM unnest(TG_ARGV) a WHERE starts_with(a, transition);
    CASE
        WHEN kind IS NULL THEN
            RAISE check_violation USING MESSAGE = format('%s %s cannot go from %s to %s', TG_TABLE_NAME,
                coalesce(to_jsonb(OLD)->>'id', to_jsonb(OLD)->>'room_id'), OLD.state, NEW.state);
        WHEN TG_TABLE_NAME = 'minigroup' THEN
            PERFORM record_minigroup(kind, NEW);
        WHEN TG_TABLE_NAME = 'minigroup_update' THEN
            PERFORM record_update(kind, NEW, NEW.look_up_at IS DISTINCT FROM OLD.look_up_at);
        WHEN TG_TABLE_NAME = 'room_attempt' THEN
            PERFORM add_history(kind, NEW.class_id, NEW.run, NULL, jsonb_build_object(
                'service', NEW.kind, 'operation', NEW.operation, 'sent_at', extract(epoch FROM NEW.sent_at)::bigint));
    END CASE;
    RETURN NEW;
END $$;
-- +goose StatementEnd


-- ─── Minigroups ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- One row per minigroup, written by the run that owns it and read by every caller.
CREATE TABLE minigroup (
    -- UUID v5 of (audience, scope), on which concurrent creates agree without a look-up. A minigroup that was imported
    -- keeps the id that it had.
    id                 uuid        PRIMARY KEY,
    audience           text        NOT NULL,
    scope              text        NOT NULL,
    state              text        NOT NULL,
    -- The Temporal run that took the row last. Never cleared: a run that was terminated, or was frozen while another
    -- took over, finds that it is not the owner any more and changes nothing.
    owner              text        NOT NULL,
    -- [start, end) of the class; an unbounded side was given as null.
    during             tstzrange   NOT NULL,
    host               text        NOT NULL,
    -- Requested slots; null if the caller gave no number.
    reserve            integer,
    -- Whether messages and questions are locked in the event room.
    locked_chat        boolean     NOT NULL,
    locked_questions   boolean     NOT NULL DEFAULT false,
    tags               jsonb,
    -- Values that callers keep with a class, by key. A create writes all of them; afterwards single keys are written.
    properties         jsonb       NOT NULL DEFAULT '{}',
    event_room_id      uuid,
    conference_room_id uuid,
    -- Why it failed or is being undone: {"kind", "detail", "upstream", "upstream_type"}.
    failure            jsonb,
    failed_at          timestamptz,
    -- When the class ended, whatever its window says.
    closed_at          timestamptz,
    -- The class ended because its host did not come back.
    timed_out          boolean     NOT NULL DEFAULT false,
    created_at         timestamptz NOT NULL DEFAULT now(),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    -- When the sweeper last looked up the conference room. It looks whether conference has closed the room of a class
    -- without an end. While it reads the room, and after it could not, a time that makes the look-up due in an hour.
    looked_up_at       timestamptz NOT NULL DEFAULT now(),
    -- Of the request that created the minigroup: an equal POST has an equal fingerprint.
    fingerprint        text        NOT NULL,
    -- Who sent that request, as in minigroup_history.by_whom.
    requested_by       jsonb,
    -- When host, tags, properties and requested_by were erased. The class is over and gets no new rooms then.
    erased_at          timestamptz,
    -- The update that callers see beside the minigroup: the last one that was accepted, has begun or has failed, until
    -- it is done. Not set for an update whose caller received a failed precondition at once, nor for a repair. The
    -- purge keeps the update that stands here, so that no foreign key has to be checked for every update it deletes.
    last_update_id     uuid,
    -- Counts the changes, so that an update can demand that the minigroup is as its caller last saw it.
    revision           bigint      NOT NULL DEFAULT 0,

    CONSTRAINT minigroup_state_is_known    CHECK (state IN ('creating', 'ready', 'undoing', 'failed')),
    CONSTRAINT minigroup_during_not_empty  CHECK (NOT isempty(during)),
    CONSTRAINT minigroup_reserve_positive  CHECK (reserve >= 0),
    CONSTRAINT minigroup_properties_object CHECK (jsonb_typeof(properties) = 'object'),
    -- Both rooms are known exactly while the minigroup is ready.
    CONSTRAINT minigroup_ready_has_rooms
        CHECK ((state = 'ready') = (event_room_id IS NOT NULL AND conference_room_id IS NOT NULL)),
    CONSTRAINT minigroup_rooms_when_ready
        CHECK (state = 'ready' OR (event_room_id IS NULL AND conference_room_id IS NULL)),
    CONSTRAINT minigroup_undo_has_reason
        CHECK ((state IN ('undoing', 'failed')) = (failure IS NOT NULL)),
    CONSTRAINT minigroup_failed_has_time   CHECK ((state = 'failed') = (failed_at IS NOT NULL)),
    CONSTRAINT minigroup_closed_was_ready  CHECK (closed_at IS NULL OR state = 'ready'),
    CONSTRAINT minigroup_timed_out_is_closed CHECK (NOT timed_out OR closed_at IS NOT NULL)
);

CREATE TRIGGER minigroup_transition BEFORE UPDATE ON minigroup
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
        'creating to ready: create_done', 'creating to undoing: undo_begun', 'undoing to failed: create_failed',
        -- started over; while undoing, in place of a run that is gone
        'failed to creating: create_retried', 'undoing to creating: create_retried');

-- +goose StatementBegin
CREATE FUNCTION record_minigroup(kind text, m minigroup, replaces text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    details jsonb;
    by_whom jsonb := m.requested_by;
    ending record;
BEGIN
    CASE kind
        WHEN 'create_requested', 'create_retried' THEN
            details := jsonb_build_object('time', window_of(m.during), 'host', m.host, 'reserve', m.reserve,
                'locked_chat', m.locked_chat, 'locked_questions', m.locked_questions, 'replaces_run', replaces);
        WHEN 'create_done' THEN
            details := jsonb_build_object('event_room_id', m.event_room_id, 'conference_room_id', m.conference_room_id);
        WHEN 'imported', 'exported' THEN
            by_whom := NULL;
            details := jsonb_build_object('time', window_of(m.during), 'host', m.host, 'reserve', m.reserve,
                'event_room_id', m.event_room_id, 'conference_room_id', m.conference_room_id);
        WHEN 'recovered' THEN
            by_whom := NULL;
            details := jsonb_build_object('operation', 'create', 'replaces_run', replaces);
        WHEN 'ended' THEN
            -- By the update that is committed in this transaction, if it asks for that.
            SELECT * INTO ending FROM minigroup_update u
            WHERE u.class_id = m.id AND u.state = 'done' AND u.ends_class AND u.decided_at = now()
            ORDER BY u.number DESC LIMIT 1;
            by_whom := ending.requested->'requested_by';
            details := jsonb_build_object('time', window_of(m.during), 'timed_out', m.timed_out, 'cause', CASE
                WHEN EXISTS (SELECT FROM closed_room c WHERE c.room_id = m.conference_room_id) THEN 'room_closed'
                WHEN ending.id IS NOT NULL THEN 'update' ELSE 'time_passed' END);
        ELSE
            details := jsonb_build_object('failure', m.failure);
    END CASE;
    PERFORM add_history(kind, m.id, m.owner, by_whom, details);
END $$;
-- +goose StatementEnd

-- record_change adds a change to the history that is no transition of a minigroup. The trigger's argument is the kind.
-- +goose StatementBegin
CREATE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE
        WHEN TG_TABLE_NAME = 'minigroup' AND TG_OP = 'UPDATE' THEN
            PERFORM record_minigroup(TG_ARGV[0], NEW, nullif(OLD.owner, NEW.owner));
        WHEN TG_TABLE_NAME = 'minigroup' THEN
            PERFORM record_minigroup(TG_ARGV[0], NEW);
        WHEN TG_TABLE_NAME = 'dispatcher_class' THEN
            PERFORM record_minigroup(NEW.last, m) FROM minigroup m WHERE m.id = NEW.class_id;
        WHEN TG_OP = 'UPDATE' THEN
            PERFORM add_history(TG_ARGV[0], NEW.class_id, NEW.run, NULL, jsonb_build_object(
                'operation', update_operation(NEW), 'update_id', NEW.id, 'replaces_run', OLD.run));
        ELSE
            PERFORM record_update(TG_ARGV[0], NEW, false);
    END CASE;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- One that is ready at once was imported.
CREATE TRIGGER minigroup_history_request AFTER INSERT ON minigroup
    FOR EACH ROW WHEN (NEW.state <> 'ready') EXECUTE FUNCTION record_change('create_requested');
-- A create that was cancelled before it began.
CREATE TRIGGER minigroup_history_undo AFTER INSERT ON minigroup
    FOR EACH ROW WHEN (NEW.state = 'undoing') EXECUTE FUNCTION record_change('undo_begun');
-- In place of a run that is gone.
CREATE TRIGGER minigroup_history_retry AFTER UPDATE ON minigroup
    FOR EACH ROW WHEN (OLD.owner <> NEW.owner AND OLD.state = 'creating' AND NEW.state = 'creating')
    EXECUTE FUNCTION record_change('create_retried');
CREATE TRIGGER minigroup_history_recovery BEFORE UPDATE ON minigroup
    FOR EACH ROW WHEN (OLD.owner <> NEW.owner AND OLD.state IN ('creating', 'undoing') AND NEW.state = 'undoing')
    EXECUTE FUNCTION record_change('recovered');
CREATE TRIGGER minigroup_history_end AFTER UPDATE ON minigroup
    FOR EACH ROW WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL) EXECUTE FUNCTION record_change('ended');

-- Every change that callers can see counts, including columns that are added later, except the update that is shown.
-- +goose StatementBegin
CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before minigroup := OLD;
BEGIN
    -- Not counted: which run works on the row and for whom, and when it was touched or looked up.
    before.owner := NEW.owner;
    before.requested_by := NEW.requested_by;
    before.changed_at := NEW.changed_at;
    before.looked_up_at := NEW.looked_up_at;
    before.last_update_id := NEW.last_update_id;
    before.revision := NEW.revision;
    IF before IS DISTINCT FROM NEW THEN
        NEW.revision := OLD.revision + 1;
        -- While an operation is open, only its steps set it: the sweeper looks at what has not changed for some time.
        IF NEW.state IN ('ready', 'failed') THEN
            NEW.changed_at := now();
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER minigroup_revision BEFORE UPDATE ON minigroup FOR EACH ROW EXECUTE FUNCTION count_revision();

-- For the sweeper: creates whose run may be gone.
CREATE INDEX minigroup_open ON minigroup (changed_at) WHERE state IN ('creating', 'undoing');
-- For the sweeper: classes whose end has passed.
CREATE INDEX minigroup_to_end ON minigroup (upper(during)) WHERE state = 'ready' AND closed_at IS NULL;
-- For the sweeper: classes without an end, the one that was looked up longest ago first.
CREATE INDEX minigroup_to_look_up ON minigroup (looked_up_at)
    WHERE state = 'ready' AND closed_at IS NULL AND upper_inf(during);
-- For operators: what has failed, the latest first.
CREATE INDEX minigroup_failed ON minigroup (failed_at, id) WHERE state = 'failed';

-- For lists: the minigroups of an audience, the latest first; of one host; and those that are not closed, by state.
CREATE INDEX minigroup_list ON minigroup (audience, created_at, id);
CREATE INDEX minigroup_list_of_host ON minigroup (audience, host, created_at, id);
CREATE INDEX minigroup_list_of_state ON minigroup (audience, state, created_at, id) WHERE closed_at IS NULL;
-- For lists: what has changed since, and what overlaps a window.
CREATE INDEX minigroup_changed ON minigroup (audience, changed_at);
CREATE INDEX minigroup_overlapping ON minigroup USING gist (during);
-- An audience has a scope once. Compared by bytes, so that a search for a prefix reads a range of it.
-- The last one that begins with the audience: as long as the table is empty, Postgres expects the same of all of them,
-- and looks up a scope by the last.
CREATE UNIQUE INDEX minigroup_scope_is_unique ON minigroup (audience, scope text_pattern_ops);


-- ─── Rooms ───────────────────────────────────────────────────────────────────────────────────────────────────────────

-- One row per request to create a room. Event and conference know no idempotency keys and cannot be searched, so a
-- request is written here before it is sent: only this table knows which rooms may exist because of it.
CREATE TABLE room_attempt (
    id          uuid        PRIMARY KEY,
    class_id    uuid        NOT NULL REFERENCES minigroup (id),
    kind        text        NOT NULL,
    -- The rooms of a recreate belong to an operation of their own until the class takes them in place of those it had;
    -- from then on they are its rooms as if it had been created with them.
    operation   text        NOT NULL,
    state       text        NOT NULL,
    room_id     uuid,
    -- In this event room everything that its draft asks to lock is locked: messages, questions, or both.
    locked      boolean     NOT NULL DEFAULT false,
    -- What became of a lost attempt: its room was found and closed, or was not announced within a day. Null while that
    -- is unknown.
    resolution  text,
    resolved_at timestamptz,
    sent_at     timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    -- The deadline of the request: until then it may be in flight.
    expires_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- The run that sent it.
    run         text        NOT NULL,
    -- Of the draft that the room is for; for a recreate, the id of its update.
    fingerprint text        NOT NULL,

    CONSTRAINT attempt_kind_is_known       CHECK (kind IN ('event', 'conference')),
    CONSTRAINT attempt_operation_is_known  CHECK (operation IN ('create', 'recreate')),
    CONSTRAINT attempt_state_is_known
        CHECK (state IN ('sent', 'held', 'releasing', 'released', 'refused', 'lost')),
    -- A held or released room has an id; a request that is unanswered, or made no room, has none.
    CONSTRAINT attempt_id_when_held        CHECK (state NOT IN ('held', 'released') OR room_id IS NOT NULL),
    CONSTRAINT attempt_no_id_unanswered    CHECK (state NOT IN ('sent', 'refused', 'lost') OR room_id IS NULL),
    CONSTRAINT attempt_answer_has_time     CHECK ((room_id IS NULL) = (answered_at IS NULL)),
    CONSTRAINT attempt_locked_is_event     CHECK (NOT locked OR (kind = 'event' AND room_id IS NOT NULL)),
    CONSTRAINT attempt_resolution_is_known CHECK (resolution IN ('closed', 'never_seen')),
    CONSTRAINT attempt_resolution_has_time CHECK ((resolution IS NULL) = (resolved_at IS NULL)),
    CONSTRAINT attempt_resolved_is_lost    CHECK (resolution IS NULL OR state = 'lost')
);

CREATE TRIGGER attempt_transition BEFORE UPDATE ON room_attempt
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
        'sent to held: -', 'sent to refused: room_refused', 'sent to releasing: -', 'sent to lost: room_unanswered',
        'held to releasing: -', 'releasing to released: -', 'releasing to refused: -',
        'releasing to lost: room_unanswered',
        'lost to releasing: -', 'refused to releasing: -'); -- a reply is recorded whenever it arrives

-- Of all requests for a class, at most one room of a kind is held.
CREATE UNIQUE INDEX attempt_one_held ON room_attempt (class_id, kind, operation) WHERE state = 'held';
-- A room belongs to one attempt.
CREATE UNIQUE INDEX attempt_room ON room_attempt (room_id) WHERE room_id IS NOT NULL;
CREATE INDEX attempt_class ON room_attempt (class_id);
-- For the sweeper: requests to expire and rooms to close.
CREATE INDEX attempt_open ON room_attempt (state, expires_at) WHERE state IN ('sent', 'releasing', 'lost');
-- For the sweeper and operators: lost attempts whose outcome is unknown.
CREATE INDEX attempt_lost ON room_attempt (expires_at) WHERE state = 'lost' AND resolution IS NULL;
-- For the purge: exactly the rows that may be deleted, the oldest first. So have all tables with a retention.
CREATE INDEX attempt_to_purge ON room_attempt (changed_at)
    WHERE state IN ('released', 'refused') OR resolution IS NOT NULL;

-- A room that event or conference has announced for one of our classes and that no reply has brought yet. Most replies
-- arrive soon after, and the row is deleted. A room whose reply can arrive no more is closed.
CREATE TABLE announced_room (
    room_id     uuid        PRIMARY KEY,
    class_id    uuid        NOT NULL REFERENCES minigroup (id),
    kind        text        NOT NULL,
    state       text        NOT NULL DEFAULT 'announced',
    -- When the room was created, by the clock of its service.
    created_at  timestamptz NOT NULL,
    -- When its event was received.
    received_at timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT announced_kind_is_known  CHECK (kind IN ('event', 'conference')),
    CONSTRAINT announced_state_is_known CHECK (state IN ('announced', 'releasing', 'released'))
);

CREATE TRIGGER announced_transition BEFORE UPDATE ON announced_room
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
        'announced to releasing: -', 'releasing to released: -');

CREATE INDEX announced_open ON announced_room (class_id, kind) WHERE state <> 'released';
CREATE INDEX announced_to_purge ON announced_room (changed_at) WHERE state = 'released';

-- A conference room of one of our classes that conference has closed, whichever attempt made it, known or not.
CREATE TABLE closed_room (
    room_id     uuid        PRIMARY KEY,
    class_id    uuid        NOT NULL REFERENCES minigroup (id),
    -- Its host did not come back.
    timed_out   boolean     NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    -- Nothing can follow from it any more: its class has ended, or never had the room.
    settled     boolean     NOT NULL DEFAULT false
);

-- For the sweeper: classes that may have to be ended.
CREATE INDEX closed_open ON closed_room (class_id) WHERE NOT settled;
CREATE INDEX closed_to_purge ON closed_room (received_at) WHERE settled;


-- ─── Slots ───────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The Janus gateways, as configured.
CREATE TABLE janus_backend (
    id                text        PRIMARY KEY,
    "group"           text        NOT NULL DEFAULT '',
    -- False for one that is configured no more. It takes no new classes and keeps those it has.
    enabled           boolean     NOT NULL DEFAULT true,
    -- Slots; null is unlimited. Classes are placed up to balancer_capacity if that is set.
    capacity          integer,
    balancer_capacity integer,
    admin_url         text        NOT NULL,
    janus_url         text        NOT NULL DEFAULT '',
    -- Since when the gateway has not answered, or has answered wrongly; null while it answers well. New classes prefer
    -- others.
    away_since        timestamptz,
    -- Why it is away; empty while it answers well.
    away_reason       text        NOT NULL DEFAULT '',
    -- It answers, but wrongly: its configuration or its software is at fault.
    unfit             boolean     NOT NULL DEFAULT false,
    -- Since when an operator has the gateway take only classes that it has already; those stay until they end. Null
    -- while it takes all.
    draining_since    timestamptz,

    CONSTRAINT backend_capacity_positive CHECK (capacity >= 0 AND balancer_capacity >= 0),
    CONSTRAINT backend_unfit_is_away     CHECK (away_since IS NOT NULL OR (NOT unfit AND away_reason = ''))
);

-- raise_capacity_exceeded fails the statement of an admission whose slots fit on no gateway, and so its transaction.
-- The detail of the error is the number of slots that are free on the best gateway; it is empty if there is none. It
-- never returns: its type lets it stand where the id of a gateway is expected.
-- +goose StatementBegin
CREATE FUNCTION raise_capacity_exceeded(free bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'MG001', MESSAGE = 'capacity exceeded', DETAIL = coalesce(free::text, '');
END $$;
-- +goose StatementEnd

-- A reservation of slots. The gateway's room for it has the same id.
CREATE TABLE janus_reservation (
    id          uuid        PRIMARY KEY,
    class_id    uuid        NOT NULL REFERENCES minigroup (id),
    backend_id  text        NOT NULL REFERENCES janus_backend (id),
    -- Slots count until released.
    state       text        NOT NULL,
    slots       integer     NOT NULL,
    during      tstzrange   NOT NULL,
    -- What an undecided update asks for; the greater of both counts at each point in time.
    next_slots  integer,
    next_during tstzrange,
    -- The undecided update that added this reservation, if the class had none.
    update_id   uuid,
    -- A request to the gateway went unanswered and may still be executed: releasing looks twice.
    doubtful    boolean     NOT NULL DEFAULT false,
    -- The gateway has reported that it has the room. A reservation that is neither made nor doubtful has no room.
    made        boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- Of the draft that it was made for.
    fingerprint text        NOT NULL,

    CONSTRAINT reservation_state_is_known   CHECK (state IN ('pending', 'held', 'releasing', 'released')),
    CONSTRAINT reservation_slots_positive   CHECK (slots >= 1 AND (next_slots IS NULL OR next_slots >= 1)),
    CONSTRAINT reservation_during_not_empty
        CHECK (NOT isempty(during) AND (next_during IS NULL OR NOT isempty(next_during))),
    CONSTRAINT reservation_next_is_whole    CHECK ((next_slots IS NULL) = (next_during IS NULL)),
    CONSTRAINT reservation_next_when_live   CHECK (next_slots IS NULL OR state IN ('pending', 'held'))
);

CREATE TRIGGER reservation_transition BEFORE UPDATE ON janus_reservation
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
        'pending to held: -', 'pending to releasing: -', 'held to releasing: -', 'releasing to released: -',
        'pending to released: -'); -- of an update that failed before the gateway was asked

-- A class has at most one live reservation.
CREATE UNIQUE INDEX reservation_one_live ON janus_reservation (class_id) WHERE state IN ('pending', 'held');
-- For admission: what overlaps a window, by the current slots and by those that an undecided update asks for.
CREATE INDEX reservation_counting ON janus_reservation USING gist (during) WHERE state <> 'released';
CREATE INDEX reservation_counting_next ON janus_reservation USING gist (next_during)
    WHERE state <> 'released' AND next_during IS NOT NULL;
-- For the sweeper: what a gateway should show.
CREATE INDEX reservation_of_backend ON janus_reservation (backend_id) WHERE state <> 'released';
CREATE INDEX reservation_of_class ON janus_reservation (class_id);
CREATE INDEX reservation_to_purge ON janus_reservation (changed_at) WHERE state = 'released';


-- ─── Updates ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- One row per update, with the id in the input of its run. A recreate is an update whose request has a member
-- "recreate".
CREATE TABLE minigroup_update (
    id           uuid        PRIMARY KEY,
    class_id     uuid        NOT NULL REFERENCES minigroup (id),
    state        text        NOT NULL,
    run          text        NOT NULL,
    -- What was asked for: {"time", "reserve", "host", "recreate", "revision", "repair"}; what is absent stays as it is.
    -- "requested_by" is who asked, as in minigroup_history.by_whom.
    requested    jsonb       NOT NULL,
    -- Values before and after, written when the update begins.
    old_during   tstzrange,
    old_reserve  integer,
    old_host     text,
    new_during   tstzrange,
    new_reserve  integer,
    new_host     text,
    ends_class   boolean     NOT NULL DEFAULT false,
    -- What conference is to change: {"time", "reserve", "host"}; {} if nothing.
    patch        jsonb,
    -- Until then an unanswered PATCH may be in flight; null when none is. While set, only reading the room decides.
    patch_until  timestamptz,
    patches      integer     NOT NULL DEFAULT 0,
    -- A PATCH went unanswered, and the conference room did not show it when it was read. It may be executed all the
    -- same: then the room is looked up. Null when there is no PATCH to look for.
    look_up_at   timestamptz,
    failure      jsonb,
    requested_at timestamptz NOT NULL DEFAULT now(),
    decided_at   timestamptz,
    -- Orders the updates of a class.
    number       bigint      GENERATED ALWAYS AS IDENTITY,

    CONSTRAINT update_state_is_known    CHECK (state IN ('requested', 'running', 'done', 'failed')),
    CONSTRAINT update_running_has_plan  CHECK (state NOT IN ('running', 'done')
        OR (old_during IS NOT NULL AND new_during IS NOT NULL AND patch IS NOT NULL)),
    CONSTRAINT update_failed_has_reason CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT update_decided_has_time  CHECK ((state IN ('done', 'failed')) = (decided_at IS NOT NULL)),
    CONSTRAINT update_patch_is_sent     CHECK (patch_until IS NULL OR patches > 0)
);

CREATE TRIGGER update_transition BEFORE UPDATE ON minigroup_update
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION check_transition(
        'requested to running: -', 'requested to failed: update_failed',
        'running to done: update_done', 'running to failed: update_failed');

CREATE FUNCTION update_operation(u minigroup_update) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN u.requested ? 'recreate' THEN 'recreate' WHEN u.requested->>'repair' = 'true' THEN 'repair'
        ELSE 'update' END
$$;

-- record_update adds to the history that an update was requested, is done or has failed, under the name of its
-- operation. undecided says that a PATCH of it may have been executed. It was forced to fail then, or if somebody
-- interferes.
-- +goose StatementBegin
CREATE FUNCTION record_update(kind text, u minigroup_update, undecided boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    details jsonb := jsonb_build_object('update_id', u.id);
BEGIN
    CASE kind
        WHEN 'update_requested' THEN
            details := details || jsonb_build_object('requested', u.requested - 'requested_by' - 'repair');
        WHEN 'update_done' THEN
            details := details || jsonb_build_object(
                'old', values_of(u.old_during, u.old_host, u.old_reserve),
                'new', values_of(u.new_during, u.new_host, u.new_reserve));
        ELSE
            details := details || jsonb_build_object('failure', u.failure);
            IF undecided OR coalesce(current_setting('minigroups.actor', true), '') <> '' THEN
                kind := 'update_force_failed';
            END IF;
    END CASE;
    PERFORM add_history(update_operation(u) || substr(kind, length('update') + 1), u.class_id, u.run,
        u.requested->'requested_by', details);
END $$;
-- +goose StatementEnd

CREATE TRIGGER update_history_request AFTER INSERT ON minigroup_update
    FOR EACH ROW EXECUTE FUNCTION record_change('update_requested');
-- In place of a run that is gone.
CREATE TRIGGER update_history_recovery BEFORE UPDATE ON minigroup_update
    FOR EACH ROW WHEN (OLD.run <> NEW.run AND OLD.state = 'running' AND NEW.state = 'running')
    EXECUTE FUNCTION record_change('recovered');

-- A class has at most one update that is running.
CREATE UNIQUE INDEX update_one_running ON minigroup_update (class_id) WHERE state = 'running';
-- The updates of a class, the latest first.
CREATE INDEX update_last ON minigroup_update (class_id, number DESC);
-- For the sweeper: updates whose run may be gone.
CREATE INDEX update_open ON minigroup_update (requested_at) WHERE state IN ('requested', 'running');
-- For the sweeper: unanswered PATCHes.
CREATE INDEX update_to_look_up ON minigroup_update (look_up_at) WHERE look_up_at IS NOT NULL;
-- For the purge. Also holds the failed updates that their minigroups show, which are not deleted. The purge reads those
-- again each time: one lookup of a minigroup by its key for each class whose last update failed longer ago than the
-- retention.
CREATE INDEX update_to_purge ON minigroup_update (decided_at) WHERE look_up_at IS NULL AND decided_at IS NOT NULL;


-- ─── Callers and subscribers ─────────────────────────────────────────────────────────────────────────────────────────

-- What this service is to publish. A row is deleted when the broker has taken it.
CREATE TABLE outbox (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    audience      text        NOT NULL,
    label         text        NOT NULL,
    payload       jsonb       NOT NULL,
    written_at    timestamptz NOT NULL DEFAULT now(),
    -- Until then no process takes the event: one is publishing it, or the broker has just refused it.
    claimed_until timestamptz NOT NULL DEFAULT '-infinity'
);

-- Values that accounts keep for themselves, by key. An account is the sub and aud of a token.
CREATE TABLE account (
    audience   text        NOT NULL,
    label      text        NOT NULL,
    properties jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),

    PRIMARY KEY (audience, label),
    CONSTRAINT account_properties_object CHECK (jsonb_typeof(properties) = 'object')
);

-- A request that came with an Idempotency-Key, written before its saga starts and deleted after a day.
CREATE TABLE idempotency_key (
    -- A hash of the account and the key: either may be long, and neither is needed here.
    id          text        PRIMARY KEY,
    -- Of the route and the body that the key first came with.
    fingerprint text        NOT NULL,
    -- The answer of the first success: its status, headers and body. Null while there is none. No refusal is recorded,
    -- because its cause may pass.
    status      smallint,
    location    text,
    etag        text,
    body        bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT idempotency_answer_is_success   CHECK (status IN (200, 201)),
    CONSTRAINT idempotency_answer_is_whole     CHECK ((status IS NULL) = (body IS NULL)),
    CONSTRAINT idempotency_headers_have_answer CHECK (status IS NOT NULL OR (location IS NULL AND etag IS NULL))
);

CREATE INDEX idempotency_key_age ON idempotency_key (created_at);


-- ─── Moving in from dispatcher ───────────────────────────────────────────────────────────────────────────────────────

-- Dispatcher's classes that were imported, and our classes that were exported to it.
CREATE TABLE dispatcher_class (
    class_id uuid   PRIMARY KEY REFERENCES minigroup (id),
    -- A hash of dispatcher's row, as it was at that time: an equal one is not imported again.
    source   text   NOT NULL,
    -- The revision of the minigroup at that time: as long as it has this revision and belongs to no run, nothing has
    -- changed it here since.
    revision bigint NOT NULL,
    -- What was done last; the kind of its row in the history.
    last     text   NOT NULL,

    CONSTRAINT dispatcher_last_is_known CHECK (last IN ('imported', 'exported'))
);

CREATE TRIGGER dispatcher_history AFTER INSERT OR UPDATE ON dispatcher_class
    FOR EACH ROW EXECUTE FUNCTION record_change();


-- ─── Workers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The workers that are alive. They share the requests that event and conference can take at a time.
CREATE TABLE worker_lease (
    id         uuid        PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- +goose Down
DROP FUNCTION record_minigroup, record_update, update_operation;
DROP TABLE minigroup_history, dispatcher_class, worker_lease, idempotency_key, account, outbox, minigroup_update, janus_reservation,
    janus_backend, closed_room, announced_room, room_attempt, minigroup;
DROP FUNCTION raise_capacity_exceeded, count_revision, check_transition, keep_history, record_change, add_history,
    values_of, window_of;
