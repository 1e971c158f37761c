//! What becomes known about people. One person is one row: when the phone number and the LID of two rows turn out to be one person's, they become one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Owner;
use crate::address::Address;
use crate::store::StoreError;

/// Under what a person is known. At least one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactIds {
    /// The phone number in digits.
    pub phone: Option<String>,
    /// The LID in digits.
    pub lid: Option<String>,
}

impl ContactIds {
    /// The ids of the person whom `address` names, who may have `alternative` as another one. `None` for what is no person.
    #[must_use]
    pub fn new(address: &Address, alternative: Option<&Address>) -> Option<Self> {
        let phone = address.phone().or_else(|| alternative.and_then(Address::phone));
        let lid = address.lid().or_else(|| alternative.and_then(Address::lid));
        address.is_person().then(|| Self {
            phone: phone.map(str::to_owned),
            lid: lid.map(str::to_owned),
        })
    }
}

/// What is known about a person from now on. Absent fields stay as they are; `Some(None)` takes a value away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContactFacts {
    /// What the account's owner calls the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// The first name, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Option<String>>,
    /// What the person calls themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_name: Option<String>,
    /// The name that WhatsApp has verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_name: Option<Option<String>>,
    /// Whether it is a business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_business: Option<bool>,
    /// The about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Option<String>>,
    /// The picture's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture_id: Option<Option<String>>,
    /// Whether the account has blocked the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_blocked: Option<bool>,
}

/// Something about people is known from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactChange {
    /// A person exists, with these ids and facts.
    Known {
        /// Who.
        ids: ContactIds,
        /// What is known besides.
        facts: ContactFacts,
    },
    /// A person has another number now.
    Moved {
        /// Under what the person was known.
        old: ContactIds,
        /// Under what from now on.
        new: ContactIds,
    },
    /// These and no others are blocked.
    BlockList {
        /// Who.
        people: Vec<ContactIds>,
    },
    /// A person came online or went away.
    Presence {
        /// Who.
        ids: ContactIds,
        /// `available` or `unavailable`.
        presence: &'static str,
        /// When the person was last online, if they show it.
        last_seen: Option<DateTime<Utc>>,
        /// When this was told.
        at: DateTime<Utc>,
    },
}

pub(super) async fn apply(
    connection: &mut PgConnection,
    owner: Owner,
    change: &ContactChange,
) -> Result<(), StoreError> {
    match change {
        ContactChange::Known { ids, facts } => {
            let person = settle(connection, owner, &[ids], ids).await?;
            note(connection, owner, person, facts).await
        }
        ContactChange::Moved { old, new } => {
            settle(connection, owner, &[old, new], new).await?;
            Ok(())
        }
        ContactChange::BlockList { people } => block_list(connection, owner, people).await,
        ContactChange::Presence {
            ids,
            presence,
            last_seen,
            at,
        } => {
            let person = settle(connection, owner, &[ids], ids).await?;
            // Whoever comes online is seen now; whoever goes away says since when, or hides it.
            sqlx::query!(
                "UPDATE contact SET presence = $3, presence_at = $4,
                        last_seen = COALESCE($5, CASE WHEN $3 = 'available' THEN $4 ELSE last_seen END)
                 WHERE id = $1 AND session_id = $2 AND (presence_at IS NULL OR presence_at <= $4)",
                person,
                owner.session.uuid,
                *presence,
                at,
                *last_seen
            )
            .execute(connection)
            .await?;
            Ok(())
        }
    }
}

/// The one row of the person who is known under any of `known`, with the ids `ids` from now on.
async fn settle(
    connection: &mut PgConnection,
    owner: Owner,
    known: &[&ContactIds],
    ids: &ContactIds,
) -> Result<Uuid, StoreError> {
    let phones: Vec<String> = known.iter().filter_map(|ids| ids.phone.clone()).collect();
    let lids: Vec<String> = known.iter().filter_map(|ids| ids.lid.clone()).collect();
    // The row under the phone number is kept: it is the one that the owner has saved.
    let rows = sqlx::query_scalar!(
        "SELECT id FROM contact WHERE session_id = $1 AND tenant_id = $2 AND (phone = ANY($3) OR lid = ANY($4))
         ORDER BY phone = ANY($3) DESC NULLS LAST, id",
        owner.session.uuid,
        owner.tenant.0,
        &phones,
        &lids
    )
    .fetch_all(&mut *connection)
    .await?;
    let Some((kept, others)) = rows.split_first() else {
        let fresh = Uuid::now_v7();
        sqlx::query!(
            "INSERT INTO contact (id, tenant_id, session_id, phone, lid) VALUES ($1, $2, $3, $4, $5)",
            fresh,
            owner.tenant.0,
            owner.session.uuid,
            ids.phone,
            ids.lid
        )
        .execute(connection)
        .await?;
        return Ok(fresh);
    };
    for other in others {
        sqlx::query!(
            "WITH other AS (DELETE FROM contact WHERE id = $2 RETURNING *)
             UPDATE contact SET
                 name = COALESCE(contact.name, other.name),
                 first_name = COALESCE(contact.first_name, other.first_name),
                 push_name = COALESCE(other.push_name, contact.push_name),
                 verified_name = COALESCE(other.verified_name, contact.verified_name),
                 is_business = contact.is_business OR other.is_business,
                 about = COALESCE(contact.about, other.about),
                 picture_id = COALESCE(contact.picture_id, other.picture_id),
                 is_blocked = contact.is_blocked OR other.is_blocked,
                 presence = COALESCE(contact.presence, other.presence),
                 presence_at = COALESCE(contact.presence_at, other.presence_at),
                 last_seen = GREATEST(contact.last_seen, other.last_seen),
                 created_at = LEAST(contact.created_at, other.created_at),
                 updated_at = now()
             FROM other WHERE contact.id = $1",
            kept,
            other
        )
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query!(
        "UPDATE contact SET phone = COALESCE($2, phone), lid = COALESCE($3, lid), updated_at = now()
         WHERE id = $1 AND (phone IS DISTINCT FROM COALESCE($2, phone) OR lid IS DISTINCT FROM COALESCE($3, lid))",
        kept,
        ids.phone,
        ids.lid
    )
    .execute(connection)
    .await?;
    Ok(*kept)
}

async fn note(
    connection: &mut PgConnection,
    owner: Owner,
    person: Uuid,
    facts: &ContactFacts,
) -> Result<(), StoreError> {
    if *facts == ContactFacts::default() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE contact SET
             name = CASE WHEN $3::jsonb ? 'name' THEN $3->>'name' ELSE name END,
             first_name = CASE WHEN $3 ? 'first_name' THEN $3->>'first_name' ELSE first_name END,
             push_name = COALESCE($3->>'push_name', push_name),
             verified_name = CASE WHEN $3 ? 'verified_name' THEN $3->>'verified_name' ELSE verified_name END,
             is_business = COALESCE(($3->>'is_business')::boolean, is_business),
             about = CASE WHEN $3 ? 'about' THEN $3->>'about' ELSE about END,
             picture_id = CASE WHEN $3 ? 'picture_id' THEN $3->>'picture_id' ELSE picture_id END,
             is_blocked = COALESCE(($3->>'is_blocked')::boolean, is_blocked),
             updated_at = now()
         WHERE id = $1 AND session_id = $2",
        person,
        owner.session.uuid,
        crate::store::to_json(facts)?
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn block_list(connection: &mut PgConnection, owner: Owner, people: &[ContactIds]) -> Result<(), StoreError> {
    let mut blocked = Vec::with_capacity(people.len());
    for ids in people {
        blocked.push(settle(connection, owner, &[ids], ids).await?);
    }
    sqlx::query!(
        "UPDATE contact SET is_blocked = NOT is_blocked, updated_at = now()
         WHERE session_id = $1 AND tenant_id = $2 AND (is_blocked OR id = ANY($3)) AND is_blocked <> (id = ANY($3))",
        owner.session.uuid,
        owner.tenant.0,
        &blocked
    )
    .execute(connection)
    .await?;
    Ok(())
}
