//! Groups as tenants read them.

use chrono::{DateTime, Utc};

use super::{StoreError, TenantTransaction};
use crate::address::{Address, Party};
use crate::group::{Group, GroupKind, Participant, Role};
use crate::ids::SessionId;

/// Which groups are listed.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    /// Those whose subject has this text in it, whatever the case.
    pub search: Option<String>,
    /// Those of these kinds; empty: all.
    pub kinds: Vec<GroupKind>,
    /// Also those in which the account is no member any more.
    pub left: bool,
    /// How many of them are left out first, for clients that count pages.
    pub skip: i64,
}

struct GroupRow {
    jid: String,
    subject: String,
    description: Option<String>,
    kind: String,
    owner_jid: Option<String>,
    owner_phone: Option<String>,
    owner_lid: Option<String>,
    community: Option<String>,
    announce: bool,
    locked: bool,
    approval: bool,
    add_mode: String,
    ephemeral: i64,
    size: i64,
    role: Option<String>,
    made_at: Option<DateTime<Utc>>,
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: "group_info",
        column,
    }
}

impl GroupRow {
    fn into_group(self) -> Result<Group, StoreError> {
        Ok(Group {
            jid: self.jid,
            subject: self.subject,
            description: self.description,
            kind: self.kind.parse().map_err(|_| corrupt("kind"))?,
            owner: self.owner_jid.map(|jid| Party {
                jid,
                phone: self.owner_phone,
                lid: self.owner_lid,
            }),
            community: self.community,
            announce: self.announce,
            locked: self.locked,
            approval: self.approval,
            add_mode: self.add_mode.parse().map_err(|_| corrupt("add_mode"))?,
            ephemeral: u32::try_from(self.ephemeral).map_err(|_| corrupt("ephemeral"))?,
            size: u32::try_from(self.size).map_err(|_| corrupt("size"))?,
            role: self
                .role
                .map(|role| role.parse())
                .transpose()
                .map_err(|_| corrupt("role"))?,
            created_at: self.made_at,
            participants: Vec::new(),
        })
    }
}

/// A text as `LIKE` takes it literally, with anything around it.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

impl TenantTransaction {
    /// When the session's groups were last read as a whole; `None`: never since it was linked.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn groups_read_at(&mut self, session: SessionId) -> Result<Option<DateTime<Utc>>, StoreError> {
        let row = sqlx::query_scalar!(
            "SELECT synced_at FROM group_sync WHERE session_id = $1 AND tenant_id = $2",
            session.uuid,
            self.tenant.0
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row)
    }

    /// Groups of a session by their JIDs, without their members, at most `limit`: the first ones or those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn groups(
        &mut self,
        session: SessionId,
        filter: &GroupFilter,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Group>, StoreError> {
        let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
        sqlx::query_as!(
            GroupRow,
            "SELECT jid, subject, description, kind, owner_jid, owner_phone, owner_lid, community, announce, locked, approval, add_mode, ephemeral,
                    size, role, made_at
             FROM group_info
             WHERE session_id = $1 AND tenant_id = $2
               AND ($3::text IS NULL OR subject ILIKE $3)
               AND (cardinality($4::text[]) = 0 OR kind = ANY($4))
               AND ($5 OR role IS NOT NULL)
               AND ($6::text IS NULL OR jid > $6)
             ORDER BY jid LIMIT $7 OFFSET $8",
            session.uuid,
            self.tenant.0,
            filter.search.as_deref().map(containing),
            &kinds as &[&str],
            filter.left,
            after,
            limit,
            filter.skip
        )
        .fetch_all(&mut *self.transaction)
        .await?
        .into_iter()
        .map(GroupRow::into_group)
        .collect()
    }

    /// How many groups of a session a filter is true of; what it leaves out first is counted too.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn count_groups(&mut self, session: SessionId, filter: &GroupFilter) -> Result<i64, StoreError> {
        let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM group_info
             WHERE session_id = $1 AND tenant_id = $2
               AND ($3::text IS NULL OR subject ILIKE $3)
               AND (cardinality($4::text[]) = 0 OR kind = ANY($4))
               AND ($5 OR role IS NOT NULL)"#,
            session.uuid,
            self.tenant.0,
            filter.search.as_deref().map(containing),
            &kinds as &[&str],
            filter.left
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(count)
    }

    /// One group with its members; `None` when it is not known.
    ///
    /// # Errors
    /// [`StoreError`] when the database is unavailable.
    pub async fn group(&mut self, session: SessionId, group: &Address) -> Result<Option<Group>, StoreError> {
        let jid = group.to_string();
        let row = sqlx::query_as!(
            GroupRow,
            "SELECT jid, subject, description, kind, owner_jid, owner_phone, owner_lid, community, announce, locked, approval, add_mode, ephemeral,
                    size, role, made_at
             FROM group_info WHERE session_id = $1 AND tenant_id = $2 AND jid = $3",
            session.uuid,
            self.tenant.0,
            jid
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut group = row.into_group()?;
        let members = sqlx::query!(
            "SELECT jid, phone, lid, role FROM group_participant
             WHERE session_id = $1 AND tenant_id = $2 AND group_jid = $3 ORDER BY jid",
            session.uuid,
            self.tenant.0,
            jid
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        for member in members {
            let role: Role = member.role.parse().map_err(|_| StoreError::Corrupt {
                table: "group_participant",
                column: "role",
            })?;
            let party = Party {
                jid: member.jid,
                phone: member.phone,
                lid: member.lid,
            };
            group.participants.push(Participant { party, role });
        }
        Ok(Some(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_is_taken_literally() {
        assert_eq!(containing("100% _real_ \\o/"), "%100\\% \\_real\\_ \\\\o/%");
    }
}
