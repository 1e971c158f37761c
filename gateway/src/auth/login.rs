//! Logging in with email and password, and out again: the one way for the API, the panel and every dialect.
//!
//! Whoever is wrong is told the same in about the same time, whether the email is unknown, the password wrong, or the user kept out. Failures are counted
//! in the database, so that all gateways count together: by email, against guessing one person's password, and by address, against trying many emails.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use shared::problem::Code;
use shared::store::logins::Failures;
use shared::store::users::User;
use shared::{api_key, subject, user};

use super::password;
use crate::app::App;
use crate::database::promptly;
use crate::problem::Problem;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Failures with one email within the window, until the next attempt is refused unread.
const MOST_BY_EMAIL: i32 = 10;
/// Failures from one address within the window: more, because people share addresses.
const MOST_BY_ADDRESS: i32 = 100;

/// Somebody who has logged in.
#[derive(Debug)]
pub struct Login {
    /// The token, accepted wherever an API key is.
    pub token: SecretString,
    /// When it stops working.
    pub expires_at: DateTime<Utc>,
    /// Who it is.
    pub user: User,
}

/// Logs somebody in. `address` is whose attempts are counted together (see [`crate::http::client_address`]).
///
/// # Errors
/// [`Code::Unauthorized`] when email and password are not those of a user who may log in, [`Code::TenantSuspended`], [`Code::RateLimited`] after too
/// many failures, [`Code::Overloaded`], or the database's problem.
pub async fn log_in(app: &App, email: &str, password: &SecretString, address: IpAddr) -> Result<Login, Problem> {
    // What can be no email is looked up as well: nobody has it.
    let email = user::normal_email(email).unwrap_or_default();
    let subjects = [subject_of(b"email", email.as_bytes()), subject_of_address(address)];
    let candidate = promptly(async {
        let mut transaction = app.store().administration().await?;
        let failures = transaction.count_login_failures(&subjects, WINDOW).await?;
        let candidate = transaction.login_candidate(&email).await?;
        transaction.commit().await?;
        refuse_guessing(&failures)?;
        Ok(candidate)
    })
    .await?;
    // A longer one is nobody's, and would only make work.
    let possible = password.expose_secret().chars().count() <= password::LONGEST;
    let hash = candidate
        .as_ref()
        .filter(|_| possible)
        .map(|candidate| candidate.password_hash.as_str());
    let verified = app.passwords().verify(password, hash).await?;
    let Some(candidate) = candidate.filter(|candidate| verified && !candidate.disabled) else {
        return Err(wrong());
    };
    let token = user::generate_token();
    let expires_at = Utc::now() + user::TOKEN_TIME;
    let logged_in = promptly(async {
        let mut transaction = app.store().administration().await?;
        transaction.forgive_login(&subjects).await?;
        let hash = api_key::hash(token.expose_secret());
        let logged_in = match candidate.suspended {
            true => None,
            false => transaction.log_in(&candidate, &hash, expires_at).await?,
        };
        transaction.commit().await?;
        Ok(logged_in)
    })
    .await?;
    match logged_in {
        Some(user) => {
            tracing::info!(user.id = %user.id, tenant.id = %user.tenant, "somebody has logged in");
            Ok(Login {
                token,
                expires_at,
                user,
            })
        }
        None if candidate.suspended => Err(Problem::not_found(Code::TenantSuspended)),
        None => Err(wrong()),
    }
}

/// Ends a login: its token stops working everywhere within two seconds. Answers whether it was one.
///
/// # Errors
/// The database's problem.
pub async fn log_out(app: &App, token: &SecretString) -> Result<bool, Problem> {
    let hash = api_key::hash(token.expose_secret());
    let ended = promptly(async {
        let mut transaction = app.store().administration().await?;
        let ended = transaction.log_out(&hash).await?;
        transaction.commit().await?;
        Ok(ended)
    })
    .await?;
    forget(app);
    Ok(ended)
}

/// Makes every gateway look keys and tokens up again.
pub fn forget(app: &App) {
    app.keys().forget();
    app.relay().hint(subject::api_key_hint(app.region()));
}

fn wrong() -> Problem {
    Problem::new(Code::Unauthorized, "The email or the password is wrong.")
}

fn refuse_guessing(failures: &[Failures]) -> Result<(), Problem> {
    let too_many = failures
        .iter()
        .zip([MOST_BY_EMAIL, MOST_BY_ADDRESS])
        .filter(|(failures, most)| failures.count > *most)
        .map(|(failures, _)| failures.forgotten_in)
        .max();
    let Some(patience) = too_many else { return Ok(()) };
    let problem = Problem::new(
        Code::RateLimited,
        "Logging in has failed too often with this email or from this address. The attempt was not looked at.",
    );
    Err(problem.retry_after(patience))
}

/// What the database knows of an email or an address that failed: enough to count, too little to read a list of them.
fn subject_of(kind: &[u8], value: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"login ")
        .chain_update(kind)
        .chain_update([0])
        .chain_update(value)
        .finalize()
        .into()
}

/// Whoever has an IPv6 address has 2⁶⁴ of them.
fn subject_of_address(address: IpAddr) -> [u8; 32] {
    let address = match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    };
    subject_of(b"address", address.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_as_its_network() {
        let subject = |text: &str| subject_of_address(text.parse().unwrap());
        assert_eq!(subject("2001:db8:1:2::1"), subject("2001:db8:1:2:ffff::9"));
        assert_ne!(subject("2001:db8:1:2::1"), subject("2001:db8:1:3::1"));
        assert_eq!(subject("::ffff:192.0.2.1"), subject("192.0.2.1"));
        assert_ne!(subject("192.0.2.1"), subject("192.0.2.2"));
    }

    #[test]
    fn too_many_failures_say_when_they_are_forgotten() {
        let failures = |count: i32, seconds: u64| Failures {
            count,
            forgotten_in: Duration::from_secs(seconds),
        };
        assert!(refuse_guessing(&[failures(MOST_BY_EMAIL, 9), failures(MOST_BY_ADDRESS, 9)]).is_ok());
        let problem =
            refuse_guessing(&[failures(MOST_BY_EMAIL + 1, 9), failures(MOST_BY_ADDRESS + 1, 77)]).unwrap_err();
        assert_eq!(problem.code(), Code::RateLimited);
        assert_eq!(problem.seconds_to_wait(), Some(77));
    }
}
