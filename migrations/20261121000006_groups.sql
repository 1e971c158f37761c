-- Groups and status posts as WhatsApp last told of them. Written by the holder of a session only; removed with the session.

CREATE TABLE group_info (
    tenant_id   uuid        NOT NULL,
    session_id  uuid        NOT NULL,
    jid         text        NOT NULL,
    subject     text        NOT NULL,
    description text,
    kind        text        NOT NULL CHECK (kind IN ('group', 'community', 'announcements', 'general')),
    owner_jid   text,
    owner_phone text,
    owner_lid   text,
    -- The community that it belongs to.
    community   text,
    announce    boolean     NOT NULL,
    locked      boolean     NOT NULL,
    approval    boolean     NOT NULL,
    add_mode    text        NOT NULL CHECK (add_mode IN ('admins', 'everyone')),
    ephemeral   bigint      NOT NULL,
    size        bigint      NOT NULL,
    -- What the account is in it; NULL: no member (any more).
    role        text        CHECK (role IN ('member', 'admin', 'owner')),
    made_at     timestamptz,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, jid)
);

CREATE TABLE group_participant (
    tenant_id  uuid NOT NULL,
    session_id uuid NOT NULL,
    group_jid  text NOT NULL,
    jid        text NOT NULL,
    phone      text,
    lid        text,
    role       text NOT NULL CHECK (role IN ('member', 'admin', 'owner')),
    PRIMARY KEY (session_id, group_jid, jid)
);

-- When the list of a session's groups was last read as a whole; no row: it has yet to be.
CREATE TABLE group_sync (
    tenant_id  uuid        NOT NULL,
    session_id uuid        PRIMARY KEY,
    synced_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE status_post (
    id            uuid        PRIMARY KEY,
    tenant_id     uuid        NOT NULL,
    session_id    uuid        NOT NULL,
    wa_message_id text        NOT NULL,
    from_me       boolean     NOT NULL,
    author        text        NOT NULL,
    author_phone  text,
    author_lid    text,
    type          text        NOT NULL,
    content       jsonb       NOT NULL,
    -- Own posts: the addresses of those who may see it.
    audience      jsonb       NOT NULL DEFAULT '[]',
    status        text        NOT NULL CHECK (status IN ('queued', 'sent', 'received', 'failed')),
    error_code    text,
    error_detail  text,
    posted_at     timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    -- When the account has seen it, and its reaction: not for own posts.
    viewed_at     timestamptz,
    reaction      text,
    views         bigint      NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX status_post_identity ON status_post (session_id, wa_message_id, author);
CREATE INDEX status_post_by_session ON status_post (session_id, id DESC);
CREATE INDEX status_post_by_expiry ON status_post (expires_at);

-- Who has seen an own post, or reacted to it.
CREATE TABLE status_viewer (
    tenant_id  uuid NOT NULL,
    session_id uuid NOT NULL,
    status_id  uuid NOT NULL REFERENCES status_post (id) ON DELETE CASCADE,
    jid        text NOT NULL,
    phone      text,
    lid        text,
    viewed_at  timestamptz,
    reaction   text,
    PRIMARY KEY (status_id, jid)
);
CREATE INDEX status_viewer_by_session ON status_viewer (session_id);

ALTER TABLE group_info ENABLE ROW LEVEL SECURITY;
ALTER TABLE group_info FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON group_info USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE group_participant ENABLE ROW LEVEL SECURITY;
ALTER TABLE group_participant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON group_participant USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE group_sync ENABLE ROW LEVEL SECURITY;
ALTER TABLE group_sync FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON group_sync USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE status_post ENABLE ROW LEVEL SECURITY;
ALTER TABLE status_post FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON status_post USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE status_viewer ENABLE ROW LEVEL SECURITY;
ALTER TABLE status_viewer FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON status_viewer USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
