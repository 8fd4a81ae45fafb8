-- When the events at the place of a resident's writes were last read, for the sake of a write: a worker
-- that takes an integration over need not read again what another has read a moment ago.
ALTER TABLE residents ADD COLUMN baseline_read_at timestamptz;
