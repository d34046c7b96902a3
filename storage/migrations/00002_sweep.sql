-- +goose Up

-- The sweeper looks for what is under way and nobody works on; these stay small whatever the size of the tables.
CREATE INDEX minigroup_open ON minigroup (changed_at) WHERE state IN ('creating', 'undoing');
CREATE INDEX update_open ON minigroup_update (requested_at) WHERE state IN ('requested', 'running');

-- +goose Down
DROP INDEX minigroup_open, update_open;
