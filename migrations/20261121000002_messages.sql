-- What messages carry beside their content, and what becomes of them later on.

-- Fixed when the message is written: shared::message::MessageDetails, and the quoted message under "context".
ALTER TABLE message ADD COLUMN details jsonb NOT NULL DEFAULT '{}';
-- Everybody's reaction and everybody's answer (poll votes, answers to invitations), by the person's JID.
ALTER TABLE message ADD COLUMN reactions jsonb NOT NULL DEFAULT '{}';
ALTER TABLE message ADD COLUMN answers jsonb NOT NULL DEFAULT '{}';
ALTER TABLE message ADD COLUMN starred boolean NOT NULL DEFAULT false;
ALTER TABLE message ADD COLUMN pinned_until timestamptz;
