-- Operations that must not be carried out twice (creating a group) are marked before they are tried: found queued and marked after a crash, they end
-- as "outcome unknown".
ALTER TABLE command ADD COLUMN attempted_at timestamptz;

-- What became of a message later on.
ALTER TABLE message ADD COLUMN edited_at  timestamptz;
ALTER TABLE message ADD COLUMN revoked_at timestamptz;
