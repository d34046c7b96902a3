-- +goose Up

-- Operators look for what has failed, the latest first, and retry it; few minigroups do, so this stays small.
CREATE INDEX minigroup_failed ON minigroup (failed_at, id) WHERE state = 'failed';

ALTER TABLE janus_backend ADD COLUMN draining_since timestamptz;
COMMENT ON COLUMN janus_backend.draining_since IS
    'Since when the gateway takes no class that it does not have, because an operator wants it empty. Those it has stay until they end. Null while it takes all.';

-- +goose Down
ALTER TABLE janus_backend DROP COLUMN draining_since;
DROP INDEX minigroup_failed;
