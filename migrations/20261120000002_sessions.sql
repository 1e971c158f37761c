-- Sessions, the workers that hold them and the leases that say who holds what.

CREATE TABLE worker (
    id         uuid        PRIMARY KEY,
    version    text        NOT NULL,
    -- One heartbeat for all sessions of a worker, by the database's clock. Nothing else is written per beat.
    beat_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A draining worker claims nothing and does not count when sessions are shared out.
    draining   boolean     NOT NULL DEFAULT false,
    capacity   integer     NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE session (
    id                  uuid        PRIMARY KEY,
    tenant_id           uuid        NOT NULL REFERENCES tenant (id),
    name                text        NOT NULL,
    metadata            jsonb       NOT NULL DEFAULT '{}',
    settings            jsonb       NOT NULL DEFAULT '{}',
    -- What is, as the holder last wrote it (fenced). What is wanted is the lease's `goal`.
    status              text        NOT NULL DEFAULT 'stopped' CHECK (status IN (
                            'stopped', 'starting', 'qr', 'passkey', 'connecting', 'connected', 'disconnected', 'logged_out', 'banned', 'failed')),
    status_reason       text,
    status_at           timestamptz NOT NULL DEFAULT now(),
    connected_at        timestamptz,
    last_event_at       timestamptz,
    -- The linked account; NULL until paired. `phone` and `lid` are digits, `jid` names the device.
    jid                 text,
    phone               text,
    lid                 text,
    push_name           text,
    -- What a person needs to link the account right now.
    qr_code             text,
    qr_expires_at       timestamptz,
    pairing_code        text,
    pairing_code_expires_at timestamptz,
    -- Credentials to import at the next start, sealed to the region's public key; cleared once a worker has taken them over.
    imported_credentials bytea,
    -- The proxy with its password, sealed likewise; `settings` shows it without.
    proxy_sealed        bytea,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    deleted_at          timestamptz
);
CREATE INDEX session_by_tenant ON session (tenant_id, id) WHERE deleted_at IS NULL;
CREATE INDEX session_by_metadata ON session USING gin (metadata jsonb_path_ops);

-- Who holds a session and what for. Fenced writes lock this row FOR SHARE and check the epoch, so it is apart from `session`.
CREATE TABLE session_lease (
    session_id  uuid        PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    tenant_id   uuid        NOT NULL,
    -- What the session's owner wants. A worker claims every session whose goal is not `stopped`; when it has reached a goal that ends
    -- (`stopping`, `logging_out`) it gives the lease back with `stopped`, in one statement on this row, so a new goal is never overwritten.
    goal        text        NOT NULL DEFAULT 'stopped' CHECK (goal IN ('stopped', 'started', 'stopping', 'logging_out', 'deleting')),
    worker_id   uuid,
    -- The fencing token: every claim raises it.
    epoch       bigint      NOT NULL DEFAULT 0,
    claimed_at  timestamptz,
    -- Nobody claims the session before: back-off after a failure to start it.
    claim_after timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX session_lease_wanted ON session_lease (worker_id) WHERE goal <> 'stopped';
CREATE INDEX session_lease_held ON session_lease (worker_id) WHERE worker_id IS NOT NULL;

-- Two counters per session, apart from each other because gateways advance one and the holder the other.
CREATE TABLE command_counter (
    session_id uuid   PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    sequence   bigint NOT NULL DEFAULT 0
);
CREATE TABLE event_counter (
    session_id uuid   PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    sequence   bigint NOT NULL DEFAULT 0,
    -- Every event up to here is acknowledged by the broker.
    published  bigint NOT NULL DEFAULT 0
);
CREATE INDEX event_counter_unpublished ON event_counter (session_id) WHERE published < sequence;

-- The session's data key, wrapped by the region's key. Everything secret of a session is sealed with it.
CREATE TABLE session_data_key (
    session_id uuid        PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE session ENABLE ROW LEVEL SECURITY;
ALTER TABLE session FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON session USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE session_lease ENABLE ROW LEVEL SECURITY;
ALTER TABLE session_lease FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON session_lease USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
