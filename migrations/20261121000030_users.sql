-- People who log in, and the tokens that they get.

CREATE TABLE tenant_user (
    id            uuid        PRIMARY KEY,
    tenant_id     uuid        NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    -- In lower case, and unique among all tenants: whoever logs in names no tenant.
    email         text        NOT NULL UNIQUE,
    -- Argon2id, as a PHC string with its salt and its parameters.
    password_hash text        NOT NULL,
    role          text        NOT NULL,
    disabled_at   timestamptz,
    last_login_at timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenant_user_by_tenant ON tenant_user (tenant_id, id);

-- A token is deleted when it must stop working: whoever has no row is nobody.
CREATE TABLE login_token (
    -- SHA-256 of the whole token, which has 178 random bits.
    secret_hash bytea       PRIMARY KEY,
    tenant_id   uuid        NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    user_id     uuid        NOT NULL REFERENCES tenant_user (id) ON DELETE CASCADE,
    expires_at  timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX login_token_by_user ON login_token (user_id);
CREATE INDEX login_token_by_tenant ON login_token (tenant_id);
CREATE INDEX login_token_by_expiry ON login_token (expires_at);

-- How often logging in has failed, by email and by address of whoever tried: nobody's data yet, so only administration sees it.
CREATE TABLE login_failure (
    -- SHA-256 of what is counted.
    subject    bytea       PRIMARY KEY,
    failures   integer     NOT NULL,
    -- When it is forgotten.
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX login_failure_by_expiry ON login_failure (expires_at);

-- Messages of a tenant with a quota of them, by the day (UTC). Several rows a day, chosen by the session, so that a large tenant's sends do not wait for
-- each other's commits.
CREATE TABLE tenant_message_count (
    tenant_id uuid     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    day       date     NOT NULL,
    shard     smallint NOT NULL,
    messages  bigint   NOT NULL,
    PRIMARY KEY (tenant_id, day, shard)
) WITH (fillfactor = 50);

ALTER TABLE tenant_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_user FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON tenant_user USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE login_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE login_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON login_token USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE login_failure ENABLE ROW LEVEL SECURITY;
ALTER TABLE login_failure FORCE ROW LEVEL SECURITY;
CREATE POLICY everyone_only ON login_failure USING (current_setting('rookery.tenant', true) = '*')
    WITH CHECK (current_setting('rookery.tenant', true) = '*');

ALTER TABLE tenant_message_count ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_message_count FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON tenant_message_count USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
