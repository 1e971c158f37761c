-- The read model: messages and events in partitions by time, chats, counters.
--
-- Rows are placed by their id: a UUIDv7 begins with the time of its making, and a message of the phone's history gets an id of the time at which it was
-- written. So the order of ids is the order of time, a page of the newest touches the newest partition only, and what is too old goes with its
-- partition. What must be unique across partitions is kept apart: `message_identity`, `event_identity`.

-- The least UUIDv7 of a moment.
CREATE FUNCTION uuid_at(moment timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (lpad(to_hex(GREATEST(floor(extract(epoch FROM moment) * 1000)::bigint, 0)), 12, '0') || repeat('0', 20))::uuid;

-- When a UUIDv7 was made, to the millisecond.
CREATE FUNCTION uuid_time(id uuid) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_timestamp((('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint) / 1000.0);

-- The words by which a message is found, each with its session in front: so one posting list belongs to one session, however many messages of others
-- contain the same word.
CREATE FUNCTION message_words(session uuid, type text, content jsonb) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1000
    RETURN array_to_tsvector(ARRAY(
        SELECT session::text || word
        FROM unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', left(concat_ws(' ',
            content -> type ->> 'body', content -> type ->> 'caption', content -> type ->> 'file_name', content -> type ->> 'name',
            content -> type ->> 'address', content -> type ->> 'question', content -> type ->> 'title', content -> type ->> 'description',
            content -> type ->> 'subject', content -> 'contacts' -> 'contacts' -> 0 ->> 'name'), 8000)))) AS word
        WHERE length(word) <= 100));

-- What finds the messages of a session that contain all words of a text; words of three letters and more may go on. NULL: the text has no word.
CREATE FUNCTION message_query(session uuid, text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT string_agg('''' || replace(replace(session::text || word, '\', '\\'), '''', '''''') || ''''
                              || CASE WHEN length(word) >= 3 THEN ':*' ELSE '' END, ' & ')
            FROM unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', left(text, 500)))) AS word
            WHERE length(word) <= 100);

ALTER TABLE message RENAME TO message_before;
ALTER TABLE message_before DROP CONSTRAINT message_pkey;
DROP INDEX message_identity;
CREATE TABLE message (LIKE message_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (id);
ALTER TABLE message ADD PRIMARY KEY (session_id, id);
CREATE INDEX message_in_chat ON message (session_id, chat, id DESC);
-- Few large entries wait unsorted, so that a search does not read many of them.
CREATE INDEX message_search ON message USING gin (message_words(session_id, type, content)) WITH (gin_pending_list_limit = 1024);

-- WhatsApp's ids are only unique within one author in one conversation. Receipts find our id here.
CREATE TABLE message_identity (
    tenant_id     uuid    NOT NULL,
    session_id    uuid    NOT NULL,
    wa_message_id text    NOT NULL,
    from_me       boolean NOT NULL,
    chat          text    NOT NULL,
    sender        text    NOT NULL,
    id            uuid    NOT NULL,
    PRIMARY KEY (session_id, wa_message_id, from_me, chat, sender)
);
-- For those whose messages went with their partition: ids grow with the table, besides those of the past.
CREATE INDEX message_identity_by_time ON message_identity USING brin (id uuid_minmax_multi_ops) WITH (autosummarize = on);

ALTER TABLE event RENAME TO event_before;
ALTER TABLE event_before DROP CONSTRAINT event_pkey;
CREATE TABLE event (LIKE event_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (id);
-- What was reported twice becomes one event: see `event_identity`.
ALTER TABLE event DROP COLUMN dedupe_key;
ALTER TABLE event ADD PRIMARY KEY (id);
-- Unique because the counter's row is locked while a number is given.
CREATE INDEX event_in_session ON event (session_id, sequence);
CREATE INDEX event_in_order ON event (tenant_id, position, id);

CREATE TABLE event_identity (
    tenant_id  uuid        NOT NULL,
    session_id uuid        NOT NULL,
    -- What the event is about; its id for events that are never repeated.
    key        text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, key)
);
CREATE INDEX event_identity_by_age ON event_identity USING brin (created_at) WITH (autosummarize = on);

-- Partitions: one for everything before the first month (day), one a month (day), and one for what nobody foresaw. Each has the tenant's wall itself.
CREATE FUNCTION guard_partition(partition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', partition);
    EXECUTE format('CREATE POLICY tenant_only ON %I USING (tenant_visible(tenant_id)) WITH CHECK (tenant_visible(tenant_id))', partition);
END $$;

-- Makes the partition of `parent` that begins at `begins`. Answers whether it was missing. The table is made first and attached then: that locks out nobody
-- but whoever uses the partition of the unforeseen.
CREATE FUNCTION make_partition(parent text, begins timestamptz, ends timestamptz, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    partition text := parent || '_' || to_char(begins AT TIME ZONE 'UTC', pattern);
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, parent);
    PERFORM guard_partition(partition);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, uuid_at(begins), uuid_at(ends));
    RETURN true;
END $$;

-- Makes the partitions of now and of the coming months (messages) and days (events). Answers how many were missing.
CREATE FUNCTION make_partitions(moment timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    day timestamp := date_trunc('day', moment AT TIME ZONE 'UTC');
    ahead integer;
BEGIN
    FOR ahead IN 0..2 LOOP
        made := made + make_partition('message', (month + make_interval(months => ahead)) AT TIME ZONE 'UTC',
                                      (month + make_interval(months => ahead + 1)) AT TIME ZONE 'UTC', 'YYYYMM')::integer;
    END LOOP;
    FOR ahead IN 0..3 LOOP
        made := made + make_partition('event', (day + make_interval(days => ahead)) AT TIME ZONE 'UTC',
                                      (day + make_interval(days => ahead + 1)) AT TIME ZONE 'UTC', 'YYYYMMDD')::integer;
    END LOOP;
    RETURN made;
END $$;

-- Drops the partitions of `parent` whose youngest possible row is older than `moment`. Answers how many.
CREATE FUNCTION drop_partitions(parent text, moment timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    partition text;
    dropped integer := 0;
BEGIN
    FOR partition IN
        SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class owner ON owner.oid = inhparent
        WHERE owner.relname = parent AND child.relname ~ '_[0-9]+$'
          AND (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \(''([0-9a-f-]+)''\)'))[1]::uuid <= uuid_at(moment)
        ORDER BY child.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

DO $$
BEGIN
    EXECUTE format('CREATE TABLE message_past PARTITION OF message FOR VALUES FROM (MINVALUE) TO (%L)', uuid_at(date_trunc('month', now(), 'UTC')));
    EXECUTE format('CREATE TABLE event_past PARTITION OF event FOR VALUES FROM (MINVALUE) TO (%L)', uuid_at(date_trunc('day', now(), 'UTC')));
    CREATE TABLE message_unforeseen PARTITION OF message DEFAULT;
    CREATE TABLE event_unforeseen PARTITION OF event DEFAULT;
    PERFORM guard_partition(name) FROM unnest(ARRAY['message', 'message_past', 'message_unforeseen', 'event', 'event_past', 'event_unforeseen',
                                                    'message_identity', 'event_identity']) AS name;
    PERFORM make_partitions(now());
END $$;

INSERT INTO message SELECT * FROM message_before;
INSERT INTO message_identity SELECT tenant_id, session_id, wa_message_id, from_me, chat, sender, id FROM message_before;
INSERT INTO event (id, tenant_id, session_id, sequence, type, body, position, created_at)
    SELECT id, tenant_id, session_id, sequence, type, body, position, created_at FROM event_before;
INSERT INTO event_identity (tenant_id, session_id, key, created_at)
    SELECT tenant_id, session_id, COALESCE(dedupe_key, id::text), created_at FROM event_before;
DROP TABLE message_before;
DROP TABLE event_before;

-- Conversations. One person known by phone number and by LID is one chat: under the phone number as soon as it is known.
CREATE TABLE chat (
    tenant_id         uuid        NOT NULL,
    session_id        uuid        NOT NULL,
    jid               text        NOT NULL,
    phone             text,
    lid               text,
    kind              text        NOT NULL CHECK (kind IN ('person', 'group', 'newsletter')),
    name              text,
    -- The place in the list: the id of the newest message, or an id of the moment when it was first heard of.
    activity          uuid        NOT NULL,
    last_message_id   uuid,
    -- Everything up to here was read. Reading a chat moves one mark instead of rewriting its messages.
    read_until        uuid,
    unread_count      integer     NOT NULL DEFAULT 0,
    marked_unread     boolean     NOT NULL DEFAULT false,
    archived          boolean     NOT NULL DEFAULT false,
    pinned_at         timestamptz,
    -- `infinity`: for ever.
    muted_until       timestamptz,
    ephemeral_seconds integer     NOT NULL DEFAULT 0,
    -- Messages up to here were deleted by the account's owner; housekeeping removes what is left of them.
    cleared_until     uuid,
    -- Not shown until somebody writes again.
    deleted_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, jid)
) WITH (fillfactor = 80);
CREATE INDEX chat_by_activity ON chat (session_id, activity DESC);
CREATE INDEX chat_by_lid ON chat (session_id, lid) WHERE lid IS NOT NULL;
CREATE INDEX chat_unread ON chat (session_id, activity DESC) WHERE unread_count > 0 OR marked_unread;
CREATE INDEX chat_cleared ON chat (session_id) WHERE cleared_until IS NOT NULL;
SELECT guard_partition('chat');

-- How many messages there were: of a session by the hour (`chat` is empty), of a chat by the day (UTC).
CREATE TABLE message_statistic (
    tenant_id  uuid        NOT NULL,
    session_id uuid        NOT NULL,
    chat       text        NOT NULL,
    starts_at  timestamptz NOT NULL,
    type       text        NOT NULL,
    from_me    boolean     NOT NULL,
    messages   bigint      NOT NULL,
    PRIMARY KEY (session_id, chat, starts_at, type, from_me)
) WITH (fillfactor = 70);
SELECT guard_partition('message_statistic');
