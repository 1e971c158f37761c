-- Numbers for what the older APIs call by number: each tenant counts its own sessions, messages and webhooks from 1, in the order in which they were first
-- shown, so that a number says nothing about other tenants. Only what such a client has seen has a number.

CREATE TABLE dialect_number (
    tenant_id  uuid   NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    kind       text   NOT NULL CHECK (kind IN ('session', 'message', 'webhook')),
    number     bigint NOT NULL,
    -- The session, message or webhook.
    subject    uuid   NOT NULL,
    -- The session that it belongs to, with which it goes; NULL for a webhook of all sessions.
    session_id uuid   REFERENCES session (id) ON DELETE CASCADE,
    PRIMARY KEY (tenant_id, kind, number),
    UNIQUE (tenant_id, kind, subject)
);
CREATE INDEX dialect_number_by_session ON dialect_number (session_id);

-- The last number of each kind. A number is never given again.
CREATE TABLE dialect_counter (
    tenant_id uuid   NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    kind      text   NOT NULL,
    last      bigint NOT NULL,
    PRIMARY KEY (tenant_id, kind)
);

ALTER TABLE dialect_number ENABLE ROW LEVEL SECURITY;
ALTER TABLE dialect_number FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON dialect_number USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE dialect_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE dialect_counter FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON dialect_counter USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
