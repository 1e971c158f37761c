//! What is known of groups and their members, as it changes.

use sqlx::PgConnection;

use super::Owner;
use crate::address::Party;
use crate::group::{Group, GroupSettings, Participant, ParticipantAction, Role};
use crate::store::StoreError;

/// Something is different about a group from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupChange {
    /// All of it, with every member.
    Known(Box<Group>),
    /// Every group of the account is among the changes before: it is in no other one any more.
    AllKnown {
        /// The JIDs of the groups.
        jids: Vec<String>,
    },
    /// Settings.
    Settings {
        /// The group's JID.
        group: String,
        /// Those that changed.
        settings: GroupSettings,
    },
    /// Members. Nothing happens to a group that is not known: it is read as a whole when somebody asks.
    Participants {
        /// The group's JID.
        group: String,
        /// What was done.
        action: ParticipantAction,
        /// To whom.
        participants: Vec<Party>,
    },
    /// The account is no member any more.
    Left {
        /// The group's JID.
        group: String,
    },
    /// The community that it belongs to.
    Linked {
        /// The group's JID.
        group: String,
        /// The community's JID; `None`: none any more.
        community: Option<String>,
    },
}

pub(super) async fn apply(connection: &mut PgConnection, owner: Owner, change: &GroupChange) -> Result<(), StoreError> {
    match change {
        GroupChange::Known(group) => known(connection, owner, group).await,
        GroupChange::AllKnown { jids } => all_known(connection, owner, jids).await,
        GroupChange::Settings { group, settings } => change_settings(connection, owner, group, settings).await,
        GroupChange::Participants {
            group,
            action,
            participants,
        } => change_participants(connection, owner, group, *action, participants).await,
        GroupChange::Left { group } => left(connection, owner, group).await,
        GroupChange::Linked { group, community } => {
            sqlx::query!(
                "UPDATE group_info SET community = $3, updated_at = now() WHERE session_id = $1 AND jid = $2 AND tenant_id = $4",
                owner.session.uuid,
                group,
                community.as_deref(),
                owner.tenant.0
            )
            .execute(connection)
            .await?;
            Ok(())
        }
    }
}

async fn known(connection: &mut PgConnection, owner: Owner, group: &Group) -> Result<(), StoreError> {
    let made_by = group.owner.as_ref();
    sqlx::query!(
        "INSERT INTO group_info (tenant_id, session_id, jid, subject, description, kind, owner_jid, owner_phone, owner_lid, community, announce,
                                 locked, approval, add_mode, ephemeral, size, role, made_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (session_id, jid) DO UPDATE SET
             subject = excluded.subject, description = excluded.description, kind = excluded.kind, owner_jid = excluded.owner_jid,
             owner_phone = excluded.owner_phone, owner_lid = excluded.owner_lid, community = excluded.community, announce = excluded.announce,
             locked = excluded.locked, approval = excluded.approval, add_mode = excluded.add_mode, ephemeral = excluded.ephemeral,
             size = excluded.size, role = excluded.role, made_at = excluded.made_at, updated_at = now()",
        owner.tenant.0,
        owner.session.uuid,
        group.jid,
        group.subject,
        group.description,
        group.kind.as_str(),
        made_by.map(|party| party.jid.as_str()),
        made_by.and_then(|party| party.phone.as_deref()),
        made_by.and_then(|party| party.lid.as_deref()),
        group.community,
        group.announce,
        group.locked,
        group.approval,
        group.add_mode.as_str(),
        i64::from(group.ephemeral),
        i64::from(group.size),
        group.role.map(Role::as_str),
        group.created_at
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM group_participant WHERE session_id = $1 AND group_jid = $2 AND tenant_id = $3",
        owner.session.uuid,
        group.jid,
        owner.tenant.0
    )
    .execute(&mut *connection)
    .await?;
    insert_participants(connection, owner, &group.jid, &group.participants).await
}

async fn insert_participants(
    connection: &mut PgConnection,
    owner: Owner,
    group: &str,
    participants: &[Participant],
) -> Result<(), StoreError> {
    let jids: Vec<&str> = participants.iter().map(|member| member.party.jid.as_str()).collect();
    let phones: Vec<Option<&str>> = participants
        .iter()
        .map(|member| member.party.phone.as_deref())
        .collect();
    let lids: Vec<Option<&str>> = participants.iter().map(|member| member.party.lid.as_deref()).collect();
    let roles: Vec<&str> = participants.iter().map(|member| member.role.as_str()).collect();
    sqlx::query!(
        "INSERT INTO group_participant (tenant_id, session_id, group_jid, jid, phone, lid, role)
         SELECT DISTINCT ON (jid) $1::uuid, $2::uuid, $3::text, jid, phone, lid, role
         FROM unnest($4::text[], $5::text[], $6::text[], $7::text[]) AS input (jid, phone, lid, role)
         ON CONFLICT (session_id, group_jid, jid) DO UPDATE SET phone = excluded.phone, lid = excluded.lid, role = excluded.role",
        owner.tenant.0,
        owner.session.uuid,
        group,
        &jids as &[&str],
        &phones as &[Option<&str>],
        &lids as &[Option<&str>],
        &roles as &[&str]
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn all_known(connection: &mut PgConnection, owner: Owner, jids: &[String]) -> Result<(), StoreError> {
    let gone = sqlx::query_scalar!(
        "SELECT jid FROM group_info WHERE session_id = $1 AND tenant_id = $2 AND role IS NOT NULL AND NOT jid = ANY($3)",
        owner.session.uuid,
        owner.tenant.0,
        jids
    )
    .fetch_all(&mut *connection)
    .await?;
    for group in gone {
        left(connection, owner, &group).await?;
    }
    sqlx::query!(
        "INSERT INTO group_sync (tenant_id, session_id) VALUES ($1, $2) ON CONFLICT (session_id) DO UPDATE SET synced_at = now()",
        owner.tenant.0,
        owner.session.uuid
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn change_settings(
    connection: &mut PgConnection,
    owner: Owner,
    group: &str,
    settings: &GroupSettings,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE group_info SET
             subject = COALESCE($4, subject), description = CASE WHEN $5::text IS NULL THEN description ELSE NULLIF($5, '') END,
             announce = COALESCE($6, announce), locked = COALESCE($7, locked), approval = COALESCE($8, approval),
             add_mode = COALESCE($9, add_mode), ephemeral = COALESCE($10, ephemeral), updated_at = now()
         WHERE session_id = $1 AND jid = $2 AND tenant_id = $3",
        owner.session.uuid,
        group,
        owner.tenant.0,
        settings.subject,
        settings.description,
        settings.announce,
        settings.locked,
        settings.approval,
        settings.add_mode.map(crate::group::AddMode::as_str),
        settings.ephemeral.map(i64::from)
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn change_participants(
    connection: &mut PgConnection,
    owner: Owner,
    group: &str,
    action: ParticipantAction,
    participants: &[Party],
) -> Result<(), StoreError> {
    let known = sqlx::query_scalar!(
        "SELECT 1 FROM group_info WHERE session_id = $1 AND jid = $2 AND tenant_id = $3",
        owner.session.uuid,
        group,
        owner.tenant.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    if known.is_none() {
        return Ok(());
    }
    let phones: Vec<&str> = participants.iter().filter_map(|party| party.phone.as_deref()).collect();
    let lids: Vec<&str> = participants.iter().filter_map(|party| party.lid.as_deref()).collect();
    let role = match action {
        ParticipantAction::Promote => Some(Role::Admin),
        ParticipantAction::Demote => Some(Role::Member),
        ParticipantAction::Add | ParticipantAction::Remove | ParticipantAction::Leave => None,
    };
    match (role, action) {
        (Some(role), _) => {
            sqlx::query!(
                "UPDATE group_participant SET role = $6
                 WHERE session_id = $1 AND group_jid = $2 AND tenant_id = $3 AND (phone = ANY($4) OR lid = ANY($5))",
                owner.session.uuid,
                group,
                owner.tenant.0,
                &phones as &[&str],
                &lids as &[&str],
                role.as_str()
            )
            .execute(&mut *connection)
            .await?;
        }
        (None, action) => {
            // Whoever was known by one id only may come with both.
            sqlx::query!(
                "DELETE FROM group_participant
                 WHERE session_id = $1 AND group_jid = $2 AND tenant_id = $3 AND (phone = ANY($4) OR lid = ANY($5))",
                owner.session.uuid,
                group,
                owner.tenant.0,
                &phones as &[&str],
                &lids as &[&str]
            )
            .execute(&mut *connection)
            .await?;
            if action == ParticipantAction::Add {
                let members: Vec<Participant> = participants
                    .iter()
                    .map(|party| Participant {
                        party: party.clone(),
                        role: Role::Member,
                    })
                    .collect();
                insert_participants(connection, owner, group, &members).await?;
            }
        }
    }
    // The account's own role follows from its own entry, where the session knows who it is.
    sqlx::query!(
        "UPDATE group_info SET updated_at = now(),
             size = (SELECT count(*) FROM group_participant WHERE session_id = $1 AND group_jid = $2),
             role = (SELECT member.role FROM group_participant member JOIN session ON session.id = $1
                     WHERE member.session_id = $1 AND member.group_jid = $2 AND (member.phone = session.phone OR member.lid = session.lid) LIMIT 1)
         WHERE session_id = $1 AND jid = $2 AND tenant_id = $3",
        owner.session.uuid,
        group,
        owner.tenant.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn left(connection: &mut PgConnection, owner: Owner, group: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE group_info SET role = NULL, updated_at = now() WHERE session_id = $1 AND jid = $2 AND tenant_id = $3",
        owner.session.uuid,
        group,
        owner.tenant.0
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM group_participant member USING session
         WHERE session.id = $1 AND member.session_id = $1 AND member.group_jid = $2 AND member.tenant_id = $3
           AND (member.phone = session.phone OR member.lid = session.lid)",
        owner.session.uuid,
        group,
        owner.tenant.0
    )
    .execute(connection)
    .await?;
    Ok(())
}
