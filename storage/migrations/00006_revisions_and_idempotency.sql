-- +goose Up

-- Counts the changes of a minigroup, so that an update can demand that nobody has changed it since its caller looked.
ALTER TABLE minigroup ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- +goose StatementBegin
CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.revision := OLD.revision + 1;
	RETURN NEW;
END $$;
-- +goose StatementEnd

-- What callers see counts, and so does a column that comes later. Bookkeeping does not: which run works on the row, and when
-- it was touched and looked up.
CREATE TRIGGER minigroup_revision BEFORE UPDATE ON minigroup
    FOR EACH ROW WHEN (
        to_jsonb(OLD) - ARRAY['owner', 'changed_at', 'looked_up_at', 'revision'] <>
        to_jsonb(NEW) - ARRAY['owner', 'changed_at', 'looked_up_at', 'revision'])
    EXECUTE FUNCTION count_revision();

-- Somebody was told to come back for what becomes of this update, so a failure has to be shown. Whoever waits is told at once
-- that the minigroup was changed meanwhile, and nobody else needs to see it.
ALTER TABLE minigroup_update ADD COLUMN announced boolean NOT NULL DEFAULT false;

-- What came with an Idempotency-Key, written before its saga starts. A day later it goes.
CREATE TABLE idempotency_key (
    -- A hash of the account and the key: either may be long, and neither is needed here.
    id          text        PRIMARY KEY,
    -- Of the route and the body that the key came with first.
    fingerprint text        NOT NULL,
    -- The first final answer: its status, headers and body. Null while there is none.
    status      smallint,
    location    text,
    etag        text,
    body        bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT idempotency_answer_is_whole CHECK ((status IS NULL) = (body IS NULL)),
    CONSTRAINT idempotency_headers_have_answer CHECK (status IS NOT NULL OR (location IS NULL AND etag IS NULL))
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

-- +goose Down
DROP TABLE idempotency_key;
ALTER TABLE minigroup_update DROP COLUMN announced;
DROP TRIGGER minigroup_revision ON minigroup;
DROP FUNCTION count_revision;
ALTER TABLE minigroup DROP COLUMN revision;
