-- +goose Up

-- Whatever callers want to keep with a class, by key. Written whole by a create and key by key afterwards.
ALTER TABLE minigroup ADD COLUMN properties jsonb NOT NULL DEFAULT '{}';
ALTER TABLE minigroup ADD CONSTRAINT minigroup_properties_object CHECK (jsonb_typeof(properties) = 'object');

-- Questions were asked to be locked in the event room, as locked_chat says of messages.
ALTER TABLE minigroup ADD COLUMN locked_questions boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN room_attempt.chat_locked IS 'All is locked in this event room that its draft asks for: the chat, the questions, or both.';

-- Whatever accounts want to keep for themselves, by key. An account is who a token speaks for: its sub and aud.
CREATE TABLE account (
    audience   text        NOT NULL,
    label      text        NOT NULL,
    properties jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),

    PRIMARY KEY (audience, label),
    CONSTRAINT account_properties_object CHECK (jsonb_typeof(properties) = 'object')
);

-- +goose Down
DROP TABLE account;
COMMENT ON COLUMN room_attempt.chat_locked IS NULL;
ALTER TABLE minigroup DROP COLUMN locked_questions, DROP COLUMN properties;
