-- Tenants and their keys.
--
-- Row-level security is the second wall between tenants (the first: every query names its tenant). Each connection or transaction says
-- for whom it works through the setting `rookery.tenant`: a tenant's id, or `*` for the parts of Rookery that serve everybody (workers,
-- dispatchers, administration). Unset means: no row is visible.

CREATE FUNCTION tenant_visible(tenant uuid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN current_setting('rookery.tenant', true) = '*'
        OR current_setting('rookery.tenant', true) = tenant::text;

CREATE TABLE tenant (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL,
    quotas       jsonb       NOT NULL DEFAULT '{}',
    suspended_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_key (
    id           uuid        PRIMARY KEY,
    tenant_id    uuid        NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name         text        NOT NULL,
    -- SHA-256 of the whole key. Keys have 178 random bits, so no slow hash is needed.
    secret_hash  bytea       NOT NULL UNIQUE,
    -- The first characters of the key, so that a person can tell keys apart.
    hint         text        NOT NULL,
    scopes       text[]      NOT NULL,
    -- Sessions that the key may touch; NULL: all of the tenant's.
    sessions     uuid[],
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_key_by_tenant ON api_key (tenant_id, id);

-- One row per `Idempotency-Key`, written in the same transaction as the effect of the request: either both exist or neither, so a
-- crashed gateway leaves no key that is "running" for ever.
CREATE TABLE idempotency_key (
    tenant_id   uuid        NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    key         text        NOT NULL,
    -- SHA-256 of method, route and body: the same key with another request is refused.
    fingerprint bytea       NOT NULL,
    status      smallint    NOT NULL,
    body        bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_key_by_age ON idempotency_key (created_at);

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON tenant USING (tenant_visible(id)) WITH CHECK (tenant_visible(id));

ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON api_key USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON idempotency_key USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
