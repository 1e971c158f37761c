-- Who lost a session to whom, for the operator's view of the cluster: NULL when the session was free at the last claim.
ALTER TABLE session_lease ADD COLUMN taken_from uuid;
CREATE INDEX session_lease_taken ON session_lease (claimed_at DESC) WHERE taken_from IS NOT NULL;
