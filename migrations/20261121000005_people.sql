-- People, labels and calls as a session knows them, and what WhatsApp said about who uses it. Only the holder of a session writes the first ones.

-- One row is one person, under the phone number, the LID or both.
CREATE TABLE contact (
    id            uuid        PRIMARY KEY,
    tenant_id     uuid        NOT NULL,
    session_id    uuid        NOT NULL,
    phone         text,
    lid           text,
    -- What the account's owner calls the person; NULL: not saved.
    name          text,
    first_name    text,
    -- What the person calls themselves.
    push_name     text,
    -- The name of a business that WhatsApp has verified.
    verified_name text,
    is_business   boolean     NOT NULL DEFAULT false,
    about         text,
    picture_id    text,
    is_blocked    boolean     NOT NULL DEFAULT false,
    -- The last presence that was told, and when the person was last online, if they show it.
    presence      text,
    presence_at   timestamptz,
    last_seen     timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (phone IS NOT NULL OR lid IS NOT NULL)
);
CREATE UNIQUE INDEX contact_by_phone ON contact (session_id, phone) WHERE phone IS NOT NULL;
CREATE UNIQUE INDEX contact_by_lid ON contact (session_id, lid) WHERE lid IS NOT NULL;
CREATE INDEX contact_by_session ON contact (session_id, id);
CREATE INDEX contact_blocked ON contact (session_id) WHERE is_blocked;

CREATE TABLE label (
    tenant_id  uuid        NOT NULL,
    session_id uuid        NOT NULL,
    -- WhatsApp's.
    label_id   text        NOT NULL,
    name       text        NOT NULL,
    color      integer     NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, label_id)
);

-- Which chats have a label. Without a reference to `label`: WhatsApp tells the two in any order.
CREATE TABLE chat_label (
    tenant_id  uuid        NOT NULL,
    session_id uuid        NOT NULL,
    label_id   text        NOT NULL,
    chat       text        NOT NULL,
    PRIMARY KEY (session_id, label_id, chat)
);
CREATE INDEX chat_label_by_chat ON chat_label (session_id, chat);

CREATE TABLE call (
    id          uuid        PRIMARY KEY,
    tenant_id   uuid        NOT NULL,
    session_id  uuid        NOT NULL,
    -- WhatsApp's.
    call_id     text        NOT NULL,
    caller      text        NOT NULL,
    caller_phone text,
    caller_lid  text,
    group_jid   text,
    is_video    boolean     NOT NULL,
    -- Whom to tell that it is rejected, as WhatsApp named them, device included.
    peer        text        NOT NULL,
    creator     text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('ringing', 'missed', 'rejected', 'accepted_elsewhere', 'rejected_elsewhere', 'ended')),
    received_at timestamptz NOT NULL,
    ended_at    timestamptz
);
CREATE UNIQUE INDEX call_identity ON call (session_id, call_id);
CREATE INDEX call_by_session ON call (session_id, id DESC);
CREATE INDEX call_by_age ON call (received_at);

-- What WhatsApp answered when it was asked whether a number uses it. A cache: gateways write it.
CREATE TABLE number_check (
    tenant_id     uuid        NOT NULL,
    session_id    uuid        NOT NULL,
    -- As it was asked for: …@s.whatsapp.net or …@lid.
    number        text        NOT NULL,
    registered    boolean     NOT NULL,
    phone         text,
    lid           text,
    is_business   boolean     NOT NULL,
    verified_name text,
    checked_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, number)
);
CREATE INDEX number_check_by_age ON number_check (checked_at);

ALTER TABLE contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE contact FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON contact USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE label ENABLE ROW LEVEL SECURITY;
ALTER TABLE label FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON label USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE chat_label ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_label FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON chat_label USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE call ENABLE ROW LEVEL SECURITY;
ALTER TABLE call FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON call USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));

ALTER TABLE number_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE number_check FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON number_check USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id));
