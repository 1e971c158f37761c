-- The files of messages that are erased are found by their message.
CREATE INDEX media_by_message ON media (message_id) WHERE message_id IS NOT NULL;
