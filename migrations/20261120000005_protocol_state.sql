-- What the protocol engine remembers of each session. Only the worker's engine reads and writes these tables; every write is fenced by the
-- lease (see `session_lease`). Columns named `sealed` are encrypted with the session's data key and bound to their table and row.
--
-- No foreign keys: each would lock a `session` row on the hot path. Removing a session deletes its rows by `session_id`.

CREATE TABLE protocol_device (
    session_id uuid  PRIMARY KEY,
    sealed     bytea NOT NULL
);

CREATE TABLE protocol_identity (
    session_id uuid  NOT NULL,
    address    text COLLATE "C" NOT NULL,
    -- A contact's public key: not secret.
    public_key bytea NOT NULL,
    PRIMARY KEY (session_id, address)
);

-- Double-ratchet state per contact device.
CREATE TABLE protocol_ratchet (
    session_id uuid  NOT NULL,
    address    text COLLATE "C" NOT NULL,
    sealed     bytea NOT NULL,
    PRIMARY KEY (session_id, address)
);

CREATE TABLE protocol_prekey (
    session_id uuid    NOT NULL,
    id         integer NOT NULL,
    sealed     bytea   NOT NULL,
    uploaded   boolean NOT NULL,
    PRIMARY KEY (session_id, id)
);

CREATE TABLE protocol_signed_prekey (
    session_id uuid    NOT NULL,
    id         integer NOT NULL,
    sealed     bytea   NOT NULL,
    PRIMARY KEY (session_id, id)
);

CREATE TABLE protocol_sender_key (
    session_id uuid  NOT NULL,
    name       text  NOT NULL,
    sealed     bytea NOT NULL,
    PRIMARY KEY (session_id, name)
);

-- Which devices of a group already hold our sender key.
CREATE TABLE protocol_sender_key_device (
    session_id uuid    NOT NULL,
    group_jid  text    NOT NULL,
    device_jid text    NOT NULL,
    has_key    boolean NOT NULL,
    PRIMARY KEY (session_id, group_jid, device_jid)
);
CREATE INDEX protocol_sender_key_device_by_device ON protocol_sender_key_device (session_id, device_jid);

CREATE TABLE protocol_lid_mapping (
    session_id      uuid   NOT NULL,
    lid             text   NOT NULL,
    phone           text   NOT NULL,
    learned_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    learning_source text   NOT NULL,
    PRIMARY KEY (session_id, lid)
);
CREATE INDEX protocol_lid_mapping_by_phone ON protocol_lid_mapping (session_id, phone, updated_at DESC);

CREATE TABLE protocol_base_key (
    session_id uuid  NOT NULL,
    address    text  NOT NULL,
    message_id text  NOT NULL,
    base_key   bytea NOT NULL,
    PRIMARY KEY (session_id, address, message_id)
);

CREATE TABLE protocol_device_list (
    session_id uuid  NOT NULL,
    user_id    text  NOT NULL,
    record     jsonb NOT NULL,
    PRIMARY KEY (session_id, user_id)
);

CREATE TABLE protocol_group (
    session_id uuid  NOT NULL,
    group_jid  text  NOT NULL,
    metadata   bytea NOT NULL,
    PRIMARY KEY (session_id, group_jid)
);

CREATE TABLE protocol_privacy_token (
    session_id       uuid   NOT NULL,
    jid              text   NOT NULL,
    -- NULL: only `sender_timestamp` is known.
    sealed           bytea,
    token_timestamp  bigint NOT NULL,
    sender_timestamp bigint,
    PRIMARY KEY (session_id, jid)
);

-- Messages on their way, kept for retry receipts; also the evidence that a command may have been sent already.
CREATE TABLE protocol_sent_message (
    session_id uuid        NOT NULL,
    chat_jid   text        NOT NULL,
    message_id text        NOT NULL,
    payload    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, message_id, chat_jid)
);
CREATE INDEX protocol_sent_message_by_age ON protocol_sent_message (created_at);

-- Messages decrypted but not yet recorded as events.
CREATE TABLE protocol_pending_inbound (
    session_id uuid        NOT NULL,
    chat       text        NOT NULL,
    sender     text        NOT NULL,
    message_id text        NOT NULL,
    payload    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, chat, sender, message_id)
);
CREATE INDEX protocol_pending_inbound_by_age ON protocol_pending_inbound (created_at);

CREATE TABLE protocol_message_secret (
    session_id uuid   NOT NULL,
    chat       text   NOT NULL,
    sender     text   NOT NULL,
    message_id text   NOT NULL,
    sealed     bytea  NOT NULL,
    -- Unix seconds; 0: never.
    expires_at bigint NOT NULL,
    message_at bigint NOT NULL,
    PRIMARY KEY (session_id, chat, sender, message_id)
);
CREATE INDEX protocol_message_secret_by_expiry ON protocol_message_secret (expires_at) WHERE expires_at > 0;

CREATE TABLE protocol_app_state_key (
    session_id uuid   NOT NULL,
    key_id     bytea  NOT NULL,
    sealed     bytea  NOT NULL,
    timestamp  bigint NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (session_id, key_id)
);

CREATE TABLE protocol_app_state_version (
    session_id uuid  NOT NULL,
    collection text  NOT NULL,
    state      bytea NOT NULL,
    PRIMARY KEY (session_id, collection)
);

CREATE TABLE protocol_app_state_mac (
    session_id uuid   NOT NULL,
    collection text   NOT NULL,
    index_mac  bytea  NOT NULL,
    value_mac  bytea  NOT NULL,
    version    bigint NOT NULL,
    PRIMARY KEY (session_id, collection, index_mac)
);
