-- +goose Up

-- Admission looks for what overlaps a window, by the old slots of a reservation and by those that an update asks for. The latter
-- are there only while the update is undecided.
CREATE INDEX reservation_counting_next ON janus_reservation USING gist (next_during) WHERE state <> 'released' AND next_during IS NOT NULL;
