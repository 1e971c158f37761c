-- Search by the index of words, with row-level security as the second wall.
--
-- The planner uses an index below a row-level-security policy only for conditions that cannot tell anything about rows that the policy hides: `@@` is not
-- known to be such a one ("leakproof"), and only a superuser could declare it. So `message_search` was never used, and a search read the session's messages.
--
-- Conditions of one policy are all of one level, though. So the search is part of a policy here: `message_found` is the same rows as `message`, and a row
-- of it is only visible when it is the tenant's *and* contains the words that the transaction looks for (`rookery.words`); when it looks for nothing, no row
-- is visible. It is the only child of `message`, between it and the months: nothing is stored twice, so nothing can be found that is gone, edited,
-- revoked or somebody else's. A table of words beside the messages would have to follow every change, and could only be searched without a policy; a
-- function that may see more than its caller needs a second role in every installation.

-- What the transaction looks for. NULL: nothing. `PARALLEL UNSAFE`, because starting other processes takes longer than a search.
CREATE FUNCTION looked_for() RETURNS tsquery
    LANGUAGE sql STABLE PARALLEL UNSAFE
    RETURN NULLIF(current_setting('rookery.words', true), '')::tsquery;

ALTER TABLE message RENAME TO message_found;
ALTER INDEX message_pkey RENAME TO message_found_pkey;
ALTER INDEX message_in_chat RENAME TO message_found_in_chat;
CREATE TABLE message (LIKE message_found INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (id);
ALTER TABLE message ADD PRIMARY KEY (session_id, id);
CREATE INDEX message_in_chat ON message (session_id, chat, id DESC);
ALTER TABLE message ATTACH PARTITION message_found FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
SELECT guard_partition('message');

-- In a subquery: it is asked once and not for each row, and the plan does not depend on how often the first word that is looked for occurs.
DROP POLICY tenant_only ON message_found;
CREATE POLICY tenant_only ON message_found
    USING (tenant_visible(tenant_id) AND message_words(session_id, type, content) @@ (SELECT looked_for()))
    WITH CHECK (tenant_visible(tenant_id));

-- The months of messages are children of `message_found`, and keep their names.
CREATE OR REPLACE FUNCTION make_partition(parent text, begins timestamptz, ends timestamptz, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    partition text := parent || '_' || to_char(begins AT TIME ZONE 'UTC', pattern);
    attached_to text := CASE parent WHEN 'message' THEN 'message_found' ELSE parent END;
BEGIN
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, parent);
    PERFORM guard_partition(partition);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', attached_to, partition, uuid_at(begins), uuid_at(ends));
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION drop_partitions(parent text, moment timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    partition text;
    dropped integer := 0;
BEGIN
    FOR partition IN
        SELECT child.relname FROM pg_partition_tree(parent::regclass) tree JOIN pg_class child ON child.oid = tree.relid
        WHERE tree.isleaf AND child.relname ~ '_[0-9]+$'
          AND (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \(''([0-9a-f-]+)''\)'))[1]::uuid <= uuid_at(moment)
        ORDER BY child.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
