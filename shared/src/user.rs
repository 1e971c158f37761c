//! People who log in: what they may do, and the tokens that they get.
//!
//! A token looks and works like an API key with another prefix (`rt_`), lives for a while, and is bound to its user. Passwords are not here: only a
//! gateway handles them.

use chrono::TimeDelta;
use secrecy::SecretString;

use crate::api_key::{self, Scope};
use crate::session::words;

const TOKEN_PREFIX: &str = "rt_";

/// How long a token works when nobody says otherwise: two days.
pub const TOKEN_TIME: TimeDelta = TimeDelta::days(2);

words! {
    /// What a user may do with the tenant's data.
    Role {
        /// Everything that a key of the tenant can be allowed.
        Owner = "owner",
        /// Read everything, send messages, upload files; neither link nor remove sessions, nor manage webhooks.
        Member = "member",
        /// Read sessions, messages and files.
        Viewer = "viewer",
    }
}

impl Role {
    /// The scopes of the role: never those of the operator.
    #[must_use]
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Owner => &[
                Scope::SessionsRead,
                Scope::SessionsWrite,
                Scope::MessagesRead,
                Scope::MessagesSend,
                Scope::WebhooksWrite,
                Scope::MediaRead,
                Scope::MediaWrite,
            ],
            Self::Member => &[
                Scope::SessionsRead,
                Scope::MessagesRead,
                Scope::MessagesSend,
                Scope::MediaRead,
                Scope::MediaWrite,
            ],
            Self::Viewer => &[Scope::SessionsRead, Scope::MessagesRead, Scope::MediaRead],
        }
    }
}

/// A fresh token.
#[must_use]
pub fn generate_token() -> SecretString {
    api_key::generate_with(TOKEN_PREFIX)
}

/// Whether the text can be a token of ours.
#[must_use]
pub fn is_token(text: &str) -> bool {
    api_key::is_well_formed_with(TOKEN_PREFIX, text)
}

/// An email as it is compared and stored: without blanks around it, in lower case. `None` when it can be none: it lacks the `@` or something beside it, or
/// is longer than 254 characters (RFC 5321, 4.5.3.1.3).
#[must_use]
pub fn normal_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@')?;
    let sane = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
    let possible = sane(local) && sane(domain) && !local.contains('@') && email.chars().count() <= 254;
    possible.then_some(email)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_is_no_key_and_a_key_is_no_token() {
        let token = generate_token();
        let key = api_key::generate();
        assert!(is_token(token.expose_secret()) && !api_key::is_well_formed(token.expose_secret()));
        assert!(api_key::is_well_formed(key.expose_secret()) && !is_token(key.expose_secret()));
    }

    #[test]
    fn no_role_is_the_operator_and_each_can_do_what_the_next_one_can() {
        for role in Role::ALL {
            assert!(!role.scopes().contains(&Scope::Admin), "{role}");
        }
        for pair in Role::ALL.windows(2) {
            let (more, less) = (pair[0].scopes(), pair[1].scopes());
            assert!(less.iter().all(|scope| more.contains(scope)), "{pair:?}");
            assert!(more.len() > less.len(), "{pair:?}");
        }
    }

    #[test]
    fn emails_are_compared_in_lower_case_and_nonsense_is_none() {
        assert_eq!(
            normal_email(" Ana.Ruiz@Example.COM ").as_deref(),
            Some("ana.ruiz@example.com")
        );
        for text in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "a b@example.com",
            "a@b@example.com",
            "ana@exam\0ple.com",
        ] {
            assert_eq!(normal_email(text), None, "{text}");
        }
        assert_eq!(normal_email(&format!("{}@example.com", "a".repeat(250))), None);
    }
}
