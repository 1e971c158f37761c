//! Phone numbers, LIDs, and the two spellings of every address.

use std::fmt;

use wacore_binary::{Jid, Server};

/// A phone number in international form, digits only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(u64);

/// A linked identifier: the address that hides the phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lid(u64);

/// The longest international phone number (E.164) and the length of every LID.
const MOST_DIGITS: usize = 15;

fn parse_digits(text: &str, fewest: usize) -> Option<u64> {
    let plausible = (fewest..=MOST_DIGITS).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plausible {
        return None;
    }
    text.parse().ok()
}

impl Number {
    /// Reads 5 to 15 digits that do not begin with 0; anything else is not a number.
    pub fn parse(text: &str) -> Option<Self> {
        parse_digits(text, 5).map(Self)
    }

    /// From a value that is known to be plausible, such as `ClientPayload.username`.
    pub fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// The digits as a value.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl Lid {
    /// Reads up to 15 digits.
    pub fn parse(text: &str) -> Option<Self> {
        parse_digits(text, 1).map(Self)
    }

    /// From a value.
    pub fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// The digits as a value.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Lid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How an address is written: `15550001001@s.whatsapp.net` or `100000000001001@lid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// By phone number.
    Number,
    /// By LID.
    Lid,
}

impl Spelling {
    /// How this address is written, or `None` when it is not a person's.
    pub fn of(jid: &Jid) -> Option<Self> {
        match jid.server {
            Server::Pn | Server::Legacy => Some(Self::Number),
            Server::Lid => Some(Self::Lid),
            _ => None,
        }
    }
}

/// One device of one account: 0 is the phone, others are companions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceAddress {
    /// The account.
    pub number: Number,
    /// The device; 0 is the phone.
    pub device: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plausible_numbers_are_numbers() {
        assert_eq!(Number::parse("15550001001"), Some(Number(15_550_001_001)));
        for nonsense in [
            "",
            "1234",
            "0123456789",
            "+15550001001",
            "1555000100a",
            "1234567890123456",
        ] {
            assert_eq!(Number::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_address_shows_its_spelling() {
        assert_eq!(Spelling::of(&Jid::pn("15550001001")), Some(Spelling::Number));
        assert_eq!(Spelling::of(&Jid::lid("100000000001001")), Some(Spelling::Lid));
        assert_eq!(Spelling::of(&Jid::group("120363000000000000")), None);
    }
}
