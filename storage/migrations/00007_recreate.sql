-- +goose Up

-- A recreate is an update whose request has a member "recreate". Its rooms are attempts of an operation of their own until
-- the class takes them in place of those it had; from then on they are its rooms as if it had been created with them.
ALTER TABLE room_attempt
    DROP CONSTRAINT attempt_operation_is_known,
    ADD CONSTRAINT attempt_operation_is_known CHECK (operation IN ('create', 'recreate'));

-- +goose Down
ALTER TABLE room_attempt
    DROP CONSTRAINT attempt_operation_is_known,
    ADD CONSTRAINT attempt_operation_is_known CHECK (operation IN ('create'));
