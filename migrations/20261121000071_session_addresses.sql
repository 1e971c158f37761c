-- Some older APIs give a session one address for its news, besides the webhooks that are registered for it. Both are webhooks here; this tells them apart.

ALTER TABLE webhook ADD COLUMN is_session_address boolean NOT NULL DEFAULT false;
