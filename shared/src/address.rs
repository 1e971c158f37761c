//! Addresses of people, groups, newsletters and status posts: parsed once, printed once.
//!
//! WhatsApp names a person twice: by phone number (`…@s.whatsapp.net`) and by LID (`…@lid`, a number that hides the phone). Either form
//! may arrive; answers give both where both are known. This module knows the spellings and nothing about who exists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const PHONE_SERVER: &str = "s.whatsapp.net";
/// The phone's older spelling, which many clients still send.
const LEGACY_PHONE_SERVER: &str = "c.us";
const LID_SERVER: &str = "lid";
const GROUP_SERVER: &str = "g.us";
const NEWSLETTER_SERVER: &str = "newsletter";
/// Where status posts go and come from.
const STATUS: &str = "status@broadcast";

/// The text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a phone number in digits, …@s.whatsapp.net, …@c.us, …@lid, …@g.us or …@newsletter")]
pub struct InvalidAddress;

/// Where a message goes to or comes from, without a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A person by phone number: 5 to 20 digits, no leading `+`.
    Phone(String),
    /// A person by LID: 5 to 20 digits.
    Lid(String),
    /// A group: digits, sometimes with a hyphen.
    Group(String),
    /// A newsletter (channel): digits.
    Newsletter(String),
    /// The place of all status posts.
    Status,
}

impl Address {
    /// The digits if this is a phone number.
    #[must_use]
    pub fn phone(&self) -> Option<&str> {
        match self {
            Self::Phone(digits) => Some(digits),
            _ => None,
        }
    }

    /// The digits if this is a LID.
    #[must_use]
    pub fn lid(&self) -> Option<&str> {
        match self {
            Self::Lid(digits) => Some(digits),
            _ => None,
        }
    }

    /// Whether this is a single person.
    #[must_use]
    pub fn is_person(&self) -> bool {
        matches!(self, Self::Phone(_) | Self::Lid(_))
    }
}

/// As the text that [`Display`](fmt::Display) prints.
impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(user) => write!(formatter, "{user}@{PHONE_SERVER}"),
            Self::Lid(user) => write!(formatter, "{user}@{LID_SERVER}"),
            Self::Group(user) => write!(formatter, "{user}@{GROUP_SERVER}"),
            Self::Newsletter(user) => write!(formatter, "{user}@{NEWSLETTER_SERVER}"),
            Self::Status => formatter.write_str(STATUS),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    /// Reads what people write: digits with an optional `+` and the usual separators, or a JID with or without a device.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if text.trim() == STATUS {
            return Ok(Self::Status);
        }
        let Some((user, server)) = text.trim().split_once('@') else {
            return phone(text);
        };
        // A device ("123:4@…") or an agent ("123.0:4@…") is not part of the person's address.
        let user = user.split([':', '.']).next().unwrap_or_default();
        match server {
            PHONE_SERVER | LEGACY_PHONE_SERVER => digits(user).map(Self::Phone),
            LID_SERVER => digits(user).map(Self::Lid),
            GROUP_SERVER => group(user),
            NEWSLETTER_SERVER => digits(user).map(Self::Newsletter),
            _ => Err(InvalidAddress),
        }
    }
}

fn digits(text: &str) -> Result<String, InvalidAddress> {
    let valid = (5..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid {
        Ok(text.to_owned())
    } else {
        Err(InvalidAddress)
    }
}

fn phone(text: &str) -> Result<Address, InvalidAddress> {
    let text = text.trim();
    let number: String = text
        .strip_prefix('+')
        .unwrap_or(text)
        .chars()
        .filter(|character| !matches!(character, ' ' | '-' | '(' | ')' | '.'))
        .collect();
    digits(&number).map(Address::Phone)
}

fn group(user: &str) -> Result<Address, InvalidAddress> {
    let valid = (5..=40).contains(&user.len()) && user.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if valid {
        Ok(Address::Group(user.to_owned()))
    } else {
        Err(InvalidAddress)
    }
}

/// A person or a group with every id that is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Party {
    /// The JID: the phone number's where it is known, else the LID's or the group's.
    #[schema(example = "15550001001@s.whatsapp.net")]
    pub jid: String,
    /// The phone number in digits; absent for groups and where it is hidden.
    #[schema(example = "15550001001")]
    pub phone: Option<String>,
    /// The LID in digits; absent for groups and where it is unknown.
    #[schema(example = "100000000001001")]
    pub lid: Option<String>,
}

impl Party {
    /// The party that `address` names, and the person's other id if it is known.
    #[must_use]
    pub fn new(address: &Address, alternative: Option<&Address>) -> Self {
        let phone = address.phone().or_else(|| alternative.and_then(Address::phone));
        let lid = address.lid().or_else(|| alternative.and_then(Address::lid));
        let jid = match phone {
            Some(phone) => Address::Phone(phone.to_owned()).to_string(),
            None => address.to_string(),
        };
        Self {
            jid,
            phone: phone.map(str::to_owned),
            lid: lid.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_of_a_person_is_understood() {
        for text in [
            "15550001001",
            "+1 (555) 000-1001",
            "15550001001@s.whatsapp.net",
            "15550001001@c.us",
            "15550001001:7@s.whatsapp.net",
            " 15550001001 ",
        ] {
            assert_eq!(text.parse(), Ok(Address::Phone("15550001001".into())), "{text}");
        }
        assert_eq!(
            "100000000001001@lid".parse(),
            Ok(Address::Lid("100000000001001".into()))
        );
        assert_eq!(
            "120363021033254949@g.us".parse(),
            Ok(Address::Group("120363021033254949".into()))
        );
        assert_eq!(
            "120363021033254949@newsletter".parse(),
            Ok(Address::Newsletter("120363021033254949".into()))
        );
        assert_eq!("status@broadcast".parse(), Ok(Address::Status));
    }

    #[test]
    fn nonsense_names_nobody() {
        for text in [
            "",
            "12",
            "hello",
            "@s.whatsapp.net",
            "1555000100x",
            "15550001001@example.com",
            "everybody@broadcast",
            "+",
            "1@lid",
        ] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress), "{text}");
        }
    }

    #[test]
    fn a_party_gives_both_ids_and_prefers_the_phone() {
        let lid: Address = "100000000001001@lid".parse().unwrap();
        let phone: Address = "15550001001".parse().unwrap();
        let both = Party::new(&lid, Some(&phone));
        assert_eq!(both.jid, "15550001001@s.whatsapp.net");
        assert_eq!(both.phone.as_deref(), Some("15550001001"));
        assert_eq!(both.lid.as_deref(), Some("100000000001001"));
        assert_eq!(Party::new(&lid, None).jid, "100000000001001@lid");
    }
}
