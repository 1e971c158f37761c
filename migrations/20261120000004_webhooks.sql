-- Webhooks, their deliveries and every attempt.

CREATE TABLE webhook (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    url             text        NOT NULL,
    -- Event types, `message.*` for a whole family; NULL: all.
    events          text[],
    -- Sessions; NULL: all of the tenant's.
    sessions        uuid[],
    headers         jsonb       NOT NULL DEFAULT '{}',
    -- Seconds before each further attempt; NULL: the standard schedule.
    retry_schedule  integer[],
    ordering        text        NOT NULL DEFAULT 'none' CHECK (ordering IN ('none', 'chat')),
    enabled         boolean     NOT NULL DEFAULT true,
    disabled_reason text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_by_tenant ON webhook (tenant_id, id);

-- Signing secrets, sealed to the region's public key. During a rotation old and new both sign until the old one expires.
CREATE TABLE webhook_secret (
    id         uuid        PRIMARY KEY,
    tenant_id  uuid        NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    webhook_id uuid        NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    sealed     bytea       NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_secret_by_webhook ON webhook_secret (webhook_id);

-- One event for one webhook. No foreign keys: see the messages.
CREATE TABLE delivery (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL,
    webhook_id      uuid        NOT NULL,
    event_id        uuid        NOT NULL,
    session_id      uuid        NOT NULL,
    event_type      text        NOT NULL,
    -- The envelope, so that a delivery outlives its event.
    body            text        NOT NULL,
    status          text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'succeeded', 'failed')),
    attempts        integer     NOT NULL DEFAULT 0,
    -- When the next attempt is due, and who is at it until when.
    due_at          timestamptz NOT NULL DEFAULT now(),
    leased_by       uuid,
    leased_until    timestamptz,
    last_status_code integer,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX delivery_due ON delivery (due_at) WHERE status = 'pending';
CREATE INDEX delivery_due_by_webhook ON delivery (webhook_id, due_at) WHERE status = 'pending';
CREATE INDEX delivery_by_webhook ON delivery (webhook_id, id DESC);
CREATE INDEX delivery_by_age ON delivery (finished_at) WHERE finished_at IS NOT NULL;

-- One HTTP request.
CREATE TABLE delivery_attempt (
    delivery_id  uuid        NOT NULL,
    tenant_id    uuid        NOT NULL,
    number       integer     NOT NULL,
    started_at   timestamptz NOT NULL,
    duration_ms  integer     NOT NULL,
    status_code  integer,
    -- The class of the failure: dns, forbidden_address, connect, tls, timeout, response, status.
    error        text,
    -- The first bytes of the answer, at most 8 KiB.
    response     text,
    PRIMARY KEY (delivery_id, number)
);

ALTER TABLE webhook ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON webhook USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE webhook_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_secret FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON webhook_secret USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON delivery USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE delivery_attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery_attempt FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON delivery_attempt USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
