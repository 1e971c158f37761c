//! What is known of status posts, as it changes.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::Owner;
use crate::address::Party;
use crate::ids::StatusId;
use crate::message::MessageStatus;
use crate::status::LIFETIME;
use crate::store::StoreError;

/// A post that was unknown until now.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStatus {
    /// Our id.
    pub id: StatusId,
    /// WhatsApp's id.
    pub wa_message_id: String,
    /// Whether the account posted it, on another of its devices.
    pub from_me: bool,
    /// The author.
    pub author: Party,
    /// The kind of content.
    pub kind: String,
    /// The content under its kind.
    pub content: Map<String, Value>,
    /// When it was posted.
    pub posted_at: DateTime<Utc>,
}

/// Something is different about a status post from now on.
#[derive(Debug, Clone, PartialEq)]
pub enum StatusChange {
    /// There is one.
    Posted(Box<NewStatus>),
    /// An own one came further, or will not be sent.
    Progress {
        /// WhatsApp's id.
        wa_message_id: String,
        /// `sent` or `failed`.
        status: MessageStatus,
        /// Why it failed: code and detail.
        error: Option<(String, String)>,
    },
    /// Somebody has seen an own one.
    Viewed {
        /// WhatsApp's id.
        wa_message_id: String,
        /// Who.
        viewer: Party,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody reacted to an own one, or no longer.
    Reacted {
        /// WhatsApp's id.
        wa_message_id: String,
        /// Who.
        viewer: Party,
        /// The emoji; empty: no longer.
        emoji: String,
    },
    /// Its author took it back.
    Revoked {
        /// WhatsApp's id.
        wa_message_id: String,
        /// Whether the account posted it.
        from_me: bool,
        /// The author.
        author: Party,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account has seen somebody's post.
    Seen {
        /// WhatsApp's id.
        wa_message_id: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account reacted to somebody's post, or no longer.
    OwnReaction {
        /// WhatsApp's id.
        wa_message_id: String,
        /// The emoji; empty: no longer.
        emoji: String,
    },
}

pub(super) async fn apply(
    connection: &mut PgConnection,
    owner: Owner,
    change: &StatusChange,
) -> Result<(), StoreError> {
    match change {
        StatusChange::Posted(post) => posted(connection, owner, post).await,
        StatusChange::Progress {
            wa_message_id,
            status,
            error,
        } => {
            let (code, detail) = error.clone().unzip();
            sqlx::query!(
                "UPDATE status_post SET status = $4, error_code = $5, error_detail = $6
                 WHERE session_id = $1 AND wa_message_id = $2 AND tenant_id = $3 AND from_me AND status = 'queued'",
                owner.session.uuid,
                wa_message_id,
                owner.tenant.0,
                status.as_str(),
                code,
                detail
            )
            .execute(connection)
            .await?;
            Ok(())
        }
        StatusChange::Viewed {
            wa_message_id,
            viewer,
            at,
        } => viewer_changed(connection, owner, wa_message_id, viewer, Some(*at), None).await,
        StatusChange::Reacted {
            wa_message_id,
            viewer,
            emoji,
        } => viewer_changed(connection, owner, wa_message_id, viewer, None, Some(emoji)).await,
        StatusChange::Revoked {
            wa_message_id,
            from_me,
            author,
            at,
        } => {
            // Who takes back a post is its author: nobody else's is touched.
            sqlx::query!(
                "UPDATE status_post SET content = jsonb_build_object(type, '{}'::jsonb), revoked_at = $4
                 WHERE session_id = $1 AND wa_message_id = $2 AND tenant_id = $3 AND revoked_at IS NULL AND from_me = $5
                   AND (from_me OR author = $6 OR author_lid = $7 OR author_phone = $8)",
                owner.session.uuid,
                wa_message_id,
                owner.tenant.0,
                at,
                from_me,
                author.jid,
                author.lid,
                author.phone
            )
            .execute(connection)
            .await?;
            Ok(())
        }
        StatusChange::Seen { wa_message_id, at } => {
            sqlx::query!(
                "UPDATE status_post SET viewed_at = COALESCE(viewed_at, $4)
                 WHERE session_id = $1 AND wa_message_id = $2 AND tenant_id = $3 AND NOT from_me",
                owner.session.uuid,
                wa_message_id,
                owner.tenant.0,
                at
            )
            .execute(connection)
            .await?;
            Ok(())
        }
        StatusChange::OwnReaction { wa_message_id, emoji } => {
            sqlx::query!(
                "UPDATE status_post SET reaction = NULLIF($4, '')
                 WHERE session_id = $1 AND wa_message_id = $2 AND tenant_id = $3 AND NOT from_me",
                owner.session.uuid,
                wa_message_id,
                owner.tenant.0,
                emoji
            )
            .execute(connection)
            .await?;
            Ok(())
        }
    }
}

async fn posted(connection: &mut PgConnection, owner: Owner, post: &NewStatus) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO status_post (id, tenant_id, session_id, wa_message_id, from_me, author, author_phone, author_lid, type, content, status,
                                  posted_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT DO NOTHING",
        post.id.0,
        owner.tenant.0,
        owner.session.uuid,
        post.wa_message_id,
        post.from_me,
        post.author.jid,
        post.author.phone,
        post.author.lid,
        post.kind,
        crate::store::to_json(&post.content)?,
        if post.from_me { "sent" } else { "received" },
        post.posted_at,
        post.posted_at + LIFETIME
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn viewer_changed(
    connection: &mut PgConnection,
    owner: Owner,
    wa_message_id: &str,
    viewer: &Party,
    viewed_at: Option<DateTime<Utc>>,
    reaction: Option<&str>,
) -> Result<(), StoreError> {
    // Counting reads the table as it was before this statement; so the entry is written first.
    let status = sqlx::query_scalar!(
        "INSERT INTO status_viewer (tenant_id, session_id, status_id, jid, phone, lid, viewed_at, reaction)
         SELECT tenant_id, session_id, id, $4, $5, $6, $7, NULLIF($8::text, '')
         FROM status_post WHERE session_id = $1 AND wa_message_id = $2 AND tenant_id = $3 AND from_me
         ON CONFLICT (status_id, jid) DO UPDATE SET
             phone = COALESCE(excluded.phone, status_viewer.phone), lid = COALESCE(excluded.lid, status_viewer.lid),
             viewed_at = COALESCE(status_viewer.viewed_at, excluded.viewed_at),
             reaction = CASE WHEN $8::text IS NULL THEN status_viewer.reaction ELSE excluded.reaction END
         RETURNING status_id",
        owner.session.uuid,
        wa_message_id,
        owner.tenant.0,
        viewer.jid,
        viewer.phone,
        viewer.lid,
        viewed_at,
        reaction
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(status) = status {
        sqlx::query!(
            "UPDATE status_post SET views = (SELECT count(*) FROM status_viewer WHERE status_id = $1 AND viewed_at IS NOT NULL) WHERE id = $1",
            status
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}
