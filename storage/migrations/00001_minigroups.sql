-- +goose Up

-- One row per minigroup, written by the saga that owns it and read by everybody.
CREATE TABLE minigroup (
    -- UUID v5 of (audience, scope): every request knows it without asking.
    id                 uuid        PRIMARY KEY,
    audience           text        NOT NULL,
    scope              text        NOT NULL,
    -- creating ─► ready, or creating ─► undoing ─► failed ─► creating (a new attempt at the same class).
    state              text        NOT NULL,
    -- The Temporal run that took the row last. Never cleared: a run that works on after it was terminated, or that was
    -- frozen while another took over, finds that it is not the owner any more and changes nothing.
    owner              text        NOT NULL,
    -- [start, end) of the class; an unbounded side was given as null.
    during             tstzrange   NOT NULL,
    host               text        NOT NULL,
    -- Slots asked for; null where the caller said nothing.
    reserve            integer,
    locked_chat        boolean     NOT NULL,
    tags               jsonb,
    event_room_id      uuid,
    conference_room_id uuid,
    -- Why it failed or is being undone: {"kind", "detail", "upstream", "upstream_type"}.
    failure            jsonb,
    failed_at          timestamptz,
    -- When the class ended, whatever its window says.
    closed_at          timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    -- Of the draft the minigroup was created from: an equal POST has an equal fingerprint.
    fingerprint        text        NOT NULL,

    CONSTRAINT minigroup_scope_is_unique  UNIQUE (audience, scope),
    CONSTRAINT minigroup_state_is_known   CHECK (state IN ('creating', 'ready', 'undoing', 'failed')),
    CONSTRAINT minigroup_during_not_empty CHECK (NOT isempty(during)),
    CONSTRAINT minigroup_reserve_positive CHECK (reserve >= 0),
    -- The rooms are told exactly while the minigroup is ready.
    CONSTRAINT minigroup_ready_has_rooms  CHECK ((state = 'ready') = (event_room_id IS NOT NULL AND conference_room_id IS NOT NULL)),
    CONSTRAINT minigroup_rooms_when_ready CHECK (state = 'ready' OR (event_room_id IS NULL AND conference_room_id IS NULL)),
    CONSTRAINT minigroup_undo_has_reason  CHECK ((state IN ('undoing', 'failed')) = (failure IS NOT NULL)),
    CONSTRAINT minigroup_failed_has_time  CHECK ((state = 'failed') = (failed_at IS NOT NULL)),
    CONSTRAINT minigroup_closed_was_ready CHECK (closed_at IS NULL OR state = 'ready')
);

-- One row per request to create a room. Event and conference know neither idempotency keys nor a search, so a request
-- is written here before it is sent, and what it may have left behind is known from here alone.
CREATE TABLE room_attempt (
    id          uuid        PRIMARY KEY,
    class_id    uuid        NOT NULL REFERENCES minigroup (id),
    kind        text        NOT NULL,
    -- For which operation on the minigroup the room is made.
    operation   text        NOT NULL,
    -- sent ─► held ─► releasing ─► released; sent ─► refused; sent ─► releasing (condemned in flight);
    -- sent, releasing without an id ─► lost; lost ─► releasing when the reply comes after all.
    state       text        NOT NULL,
    room_id     uuid,
    -- The chat of this event room was locked.
    chat_locked boolean     NOT NULL DEFAULT false,
    sent_at     timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    -- Until then the request may be in flight.
    expires_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- The run that sent it, and the fingerprint of what it was asked for.
    run         text        NOT NULL,
    fingerprint text        NOT NULL,

    CONSTRAINT attempt_kind_is_known      CHECK (kind IN ('event', 'conference')),
    CONSTRAINT attempt_operation_is_known CHECK (operation IN ('create')),
    CONSTRAINT attempt_state_is_known     CHECK (state IN ('sent', 'held', 'releasing', 'released', 'refused', 'lost')),
    -- A room is held or released by its id; a request that made none, or is not answered, has none.
    CONSTRAINT attempt_id_when_held       CHECK (state NOT IN ('held', 'released') OR room_id IS NOT NULL),
    CONSTRAINT attempt_no_id_unanswered   CHECK (state NOT IN ('sent', 'refused', 'lost') OR room_id IS NULL),
    CONSTRAINT attempt_answer_has_time    CHECK ((room_id IS NULL) = (answered_at IS NULL)),
    CONSTRAINT attempt_lock_is_events     CHECK (NOT chat_locked OR (kind = 'event' AND room_id IS NOT NULL))
);

-- However many requests were sent, one room of a kind is held.
CREATE UNIQUE INDEX attempt_one_held ON room_attempt (class_id, kind, operation) WHERE state = 'held';
CREATE UNIQUE INDEX attempt_room ON room_attempt (room_id) WHERE room_id IS NOT NULL;
CREATE INDEX attempt_class ON room_attempt (class_id);
-- What still needs doing: small, whatever the size of the table.
CREATE INDEX attempt_open ON room_attempt (state, expires_at) WHERE state IN ('sent', 'releasing', 'lost');

-- The Janus gateways, as configured.
CREATE TABLE janus_backend (
    id                text    PRIMARY KEY,
    "group"           text    NOT NULL DEFAULT '',
    enabled           boolean NOT NULL DEFAULT true,
    -- Slots; null is unlimited. Classes are placed up to balancer_capacity where it is given.
    capacity          integer,
    balancer_capacity integer,
    admin_url         text    NOT NULL,
    janus_url         text    NOT NULL DEFAULT '',

    CONSTRAINT backend_capacity_positive CHECK (capacity >= 0 AND balancer_capacity >= 0)
);

-- The reservation of slots. A VideoRoom on the gateway, with this id, is its projection.
CREATE TABLE janus_reservation (
    id          uuid        PRIMARY KEY,
    class_id    uuid        NOT NULL REFERENCES minigroup (id),
    backend_id  text        NOT NULL REFERENCES janus_backend (id),
    -- pending ─► held ─► releasing ─► released, or pending ─► releasing. Slots count until released.
    state       text        NOT NULL,
    slots       integer     NOT NULL,
    during      tstzrange   NOT NULL,
    -- What an undecided update asks for stands beside; at each moment the greater of both counts.
    next_slots  integer,
    next_during tstzrange,
    -- The undecided update that added this reservation, for one that had none.
    update_id   uuid,
    -- A request to the gateway went unanswered and may still be executed: releasing looks twice.
    doubtful    boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- Of the draft that it was made for.
    fingerprint text        NOT NULL,

    CONSTRAINT reservation_state_is_known   CHECK (state IN ('pending', 'held', 'releasing', 'released')),
    CONSTRAINT reservation_slots_positive   CHECK (slots >= 1 AND (next_slots IS NULL OR next_slots >= 1)),
    CONSTRAINT reservation_during_not_empty CHECK (NOT isempty(during) AND (next_during IS NULL OR NOT isempty(next_during))),
    CONSTRAINT reservation_next_is_whole    CHECK ((next_slots IS NULL) = (next_during IS NULL)),
    CONSTRAINT reservation_next_when_live   CHECK (next_slots IS NULL OR state IN ('pending', 'held'))
);

-- A minigroup has at most one live reservation.
CREATE UNIQUE INDEX reservation_one_live ON janus_reservation (class_id) WHERE state IN ('pending', 'held');
-- Admission sums what counts on a backend.
CREATE INDEX reservation_counting ON janus_reservation USING gist (during) WHERE state <> 'released';
CREATE INDEX reservation_of_backend ON janus_reservation (backend_id) WHERE state <> 'released';
CREATE INDEX reservation_of_class ON janus_reservation (class_id);

-- One row per update, known by the id in the input of its run.
CREATE TABLE minigroup_update (
    id              uuid        PRIMARY KEY,
    class_id        uuid        NOT NULL REFERENCES minigroup (id),
    -- requested ─► running ─► done or failed; requested ─► failed.
    state           text        NOT NULL,
    run             text        NOT NULL,
    -- What the caller asked for: {"time", "reserve", "host"}, absent where it stays.
    requested       jsonb       NOT NULL,
    -- Values before and after, written when the update begins.
    old_during      tstzrange,
    old_reserve     integer,
    old_host        text,
    new_during      tstzrange,
    new_reserve     integer,
    new_host        text,
    ends_class      boolean     NOT NULL DEFAULT false,
    -- What conference is asked for: {"time", "reserve", "host"}; {} where nothing.
    patch           jsonb,
    -- Until then an unanswered PATCH may be in flight; null when none is. Once set, only reading the room decides.
    patch_until     timestamptz,
    patches         integer     NOT NULL DEFAULT 0,
    failure         jsonb,
    requested_at    timestamptz NOT NULL DEFAULT now(),
    decided_at      timestamptz,
    -- Orders the updates of a class.
    number          bigint      GENERATED ALWAYS AS IDENTITY,

    CONSTRAINT update_state_is_known    CHECK (state IN ('requested', 'running', 'done', 'failed')),
    CONSTRAINT update_running_has_plan  CHECK (state NOT IN ('running', 'done') OR (old_during IS NOT NULL AND new_during IS NOT NULL AND patch IS NOT NULL)),
    CONSTRAINT update_failed_has_reason CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT update_decided_has_time  CHECK ((state IN ('done', 'failed')) = (decided_at IS NOT NULL)),
    CONSTRAINT update_patch_is_sent     CHECK (patch_until IS NULL OR patches > 0)
);

-- One update of a class at a time is undecided.
CREATE UNIQUE INDEX update_one_running ON minigroup_update (class_id) WHERE state = 'running';
CREATE INDEX update_last ON minigroup_update (class_id, number DESC);

-- +goose Down
DROP TABLE minigroup_update, janus_reservation, janus_backend, room_attempt, minigroup;
