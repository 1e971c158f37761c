-- The dialects: webhooks that speak another API's words, and the names that their clients give to sessions.

ALTER TABLE webhook ADD COLUMN format text NOT NULL DEFAULT 'rookery'
    CHECK (format IN ('rookery', 'chatlink', 'premium', 'management', 'crm', 'multisession'));

-- How a dialect's clients call a session. A name is free again as soon as its session is deleted.
CREATE TABLE dialect_session (
    tenant_id  uuid        NOT NULL,
    dialect    text        NOT NULL,
    name       text        NOT NULL,
    session_id uuid        NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, dialect, name),
    UNIQUE (session_id, dialect)
);

ALTER TABLE dialect_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE dialect_session FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON dialect_session USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
