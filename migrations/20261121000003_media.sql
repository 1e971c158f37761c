-- Files: those that tenants upload and those that arrive in messages. The bytes are in the bucket under `object_key`.

CREATE TABLE media (
    id            uuid        PRIMARY KEY,
    tenant_id     uuid        NOT NULL,
    -- The session and the message that it arrived in; NULL for what a tenant has uploaded.
    session_id    uuid,
    message_id    uuid,
    wa_message_id text,
    -- What makes a file that WhatsApp delivers twice one row: the conversation, the author and WhatsApp's id of the message.
    source        text,
    status        text        NOT NULL CHECK (status IN ('uploading', 'pending', 'stored', 'failed', 'skipped')),
    mime_type     text        NOT NULL,
    -- In bytes; what the sender says until the file is stored.
    size          bigint,
    sha256        bytea,
    file_name     text,
    width         integer,
    height        integer,
    seconds       integer,
    -- A small JPEG.
    thumbnail     bytea,
    -- A voice note's loudness: 64 bytes from 0 to 100.
    waveform      bytea,
    object_key    text        NOT NULL,
    -- Why it could not be had.
    error         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    -- Set: nobody sees it any more; a worker deletes the object and then the row.
    deleted_at    timestamptz
);
CREATE INDEX media_by_tenant ON media (tenant_id, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX media_by_session ON media (session_id, id DESC) WHERE session_id IS NOT NULL;
CREATE UNIQUE INDEX media_source ON media (session_id, source) WHERE source IS NOT NULL;
CREATE INDEX media_by_expiry ON media (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX media_deleted ON media (deleted_at) WHERE deleted_at IS NOT NULL;

-- A file as WhatsApp's media servers have it, so that sending it again needs no second upload.
CREATE TABLE media_upload (
    media_id    uuid        NOT NULL REFERENCES media (id) ON DELETE CASCADE,
    -- The kind decides the keys: the same file as image and as document is uploaded twice.
    kind        text        NOT NULL,
    tenant_id   uuid        NOT NULL,
    -- Place, keys and hashes, sealed to the region.
    sealed      bytea       NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (media_id, kind)
);

-- A file that waits to be fetched from WhatsApp. Written with the message; whoever holds the session works on it.
CREATE TABLE media_download (
    media_id        uuid        PRIMARY KEY REFERENCES media (id) ON DELETE CASCADE,
    tenant_id       uuid        NOT NULL,
    session_id      uuid        NOT NULL,
    -- Where WhatsApp keeps it and its key, and the message to name when the phone is asked for it: sealed to the region.
    sealed          bytea       NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    -- How often the phone was asked to upload it again.
    requests        integer     NOT NULL DEFAULT 0,
    -- 'infinity': only when somebody asks for it.
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX media_download_due ON media_download (next_attempt_at) WHERE next_attempt_at < 'infinity';
CREATE INDEX media_download_by_session ON media_download (session_id);

ALTER TABLE media ENABLE ROW LEVEL SECURITY;
ALTER TABLE media FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON media USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE media_upload ENABLE ROW LEVEL SECURITY;
ALTER TABLE media_upload FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON media_upload USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE media_download ENABLE ROW LEVEL SECURITY;
ALTER TABLE media_download FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON media_download USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
