-- Commands, events and messages.
--
-- No foreign keys on these hot tables: each insert would lock the tenant's and the session's row, which every other insert locks too.
-- Removing a session deletes its rows by `session_id`.

-- A command *is* its row: the broker only carries it.
CREATE TABLE command (
    id            uuid        PRIMARY KEY,
    tenant_id     uuid        NOT NULL,
    session_id    uuid        NOT NULL,
    -- Numbered without gaps within its session; a worker executes in this order and no other.
    sequence      bigint      NOT NULL,
    kind          text        NOT NULL,
    -- rookery.command.v1.Command (protobuf).
    payload       bytea       NOT NULL,
    -- Set for sends: WhatsApp's id of the message, fixed at admission so that any repeat carries the same one.
    wa_message_id text,
    status        text        NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'done', 'failed')),
    error_code    text,
    error_detail  text,
    result        jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    UNIQUE (session_id, sequence)
);
CREATE INDEX command_queued ON command (session_id, sequence) WHERE status = 'queued';
CREATE INDEX command_by_wa_message ON command (session_id, wa_message_id) WHERE wa_message_id IS NOT NULL AND status = 'queued';
CREATE INDEX command_by_age ON command (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE event (
    id         uuid        PRIMARY KEY,
    tenant_id  uuid        NOT NULL,
    session_id uuid        NOT NULL,
    -- Numbered without gaps within its session.
    sequence   bigint      NOT NULL,
    type       text        NOT NULL,
    -- The envelope, byte for byte as webhooks, streams and the broker carry it.
    body       text        NOT NULL,
    -- What the event is about, so that something reported twice by WhatsApp becomes one event; NULL: never repeated.
    dedupe_key text,
    -- The writing transaction: a reader that stays below the oldest running transaction sees every event exactly once, in this order.
    position   bigint      NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (session_id, sequence)
);
CREATE UNIQUE INDEX event_dedupe ON event (session_id, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX event_by_position ON event (tenant_id, position, id);
CREATE INDEX event_by_age ON event (created_at);

CREATE TABLE message (
    id            uuid        PRIMARY KEY,
    tenant_id     uuid        NOT NULL,
    session_id    uuid        NOT NULL,
    wa_message_id text        NOT NULL,
    from_me       boolean     NOT NULL,
    -- The conversation and the author, each with every id that was known. A group has only `chat`.
    chat          text        NOT NULL,
    chat_phone    text,
    chat_lid      text,
    sender        text        NOT NULL,
    sender_phone  text,
    sender_lid    text,
    type          text        NOT NULL,
    -- The content by its type: {"text": {"body": "…"}}.
    content       jsonb       NOT NULL,
    -- The answered message's WhatsApp id, where this is an answer.
    context_wa_message_id text,
    status        text        NOT NULL CHECK (status IN ('queued', 'sent', 'delivered', 'read', 'played', 'received', 'failed')),
    error_code    text,
    error_detail  text,
    -- The command that sends it, for messages of the API.
    command_id    uuid,
    -- When it was written, by the author's clock.
    sent_at       timestamptz NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
-- WhatsApp's ids are only unique within one author in one conversation.
CREATE UNIQUE INDEX message_identity ON message (session_id, wa_message_id, from_me, chat, sender);
CREATE INDEX message_by_session ON message (session_id, id DESC);
CREATE INDEX message_by_chat ON message (session_id, chat, id DESC);

ALTER TABLE command ENABLE ROW LEVEL SECURITY;
ALTER TABLE command FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON command USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE event ENABLE ROW LEVEL SECURITY;
ALTER TABLE event FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON event USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE message ENABLE ROW LEVEL SECURITY;
ALTER TABLE message FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON message USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

-- Which stream of the broker the counters' `published` refers to, by the time of its creation (Unix seconds).
CREATE TABLE event_stream (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    created  bigint  NOT NULL
);
