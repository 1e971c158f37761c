//! What stands in the paths of people, labels and calls.

use std::str::FromStr;

use shared::address::Address;
use shared::problem::Code;

use crate::http::path::PathParameter;

/// The text cannot be what the path names.
#[derive(Debug)]
pub(in super::super) struct NotAnId;

/// A person.
#[derive(Debug, Clone)]
pub(super) struct ContactAddress(pub(super) Address);

impl FromStr for ContactAddress {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let address: Address = text.parse().map_err(|_| NotAnId)?;
        address.is_person().then_some(Self(address)).ok_or(NotAnId)
    }
}

impl PathParameter for ContactAddress {
    const NAME: &'static str = "contact";
    const NOT_FOUND: Code = Code::ContactNotFound;
}

/// A chat: a person or a group.
#[derive(Debug, Clone)]
pub(in super::super) struct ChatAddress(pub(in super::super) Address);

impl FromStr for ChatAddress {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        match text.parse().map_err(|_| NotAnId)? {
            Address::Status => Err(NotAnId),
            address => Ok(Self(address)),
        }
    }
}

impl PathParameter for ChatAddress {
    const NAME: &'static str = "chat";
    const NOT_FOUND: Code = Code::ContactNotFound;
}

/// An id that WhatsApp gave: short and printable.
fn foreign_id(text: &str) -> Result<String, NotAnId> {
    let valid = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    valid.then(|| text.to_owned()).ok_or(NotAnId)
}

/// WhatsApp's id of a label.
#[derive(Debug, Clone)]
pub(in super::super) struct LabelId(pub(in super::super) String);

impl FromStr for LabelId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        foreign_id(text).map(Self)
    }
}

impl PathParameter for LabelId {
    const NAME: &'static str = "label_id";
    const NOT_FOUND: Code = Code::LabelNotFound;
}

/// WhatsApp's id of a call.
#[derive(Debug, Clone)]
pub(in super::super) struct CallId(pub(in super::super) String);

impl FromStr for CallId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        foreign_id(text).map(Self)
    }
}

impl PathParameter for CallId {
    const NAME: &'static str = "call_id";
    const NOT_FOUND: Code = Code::CallNotFound;
}

/// The path of everything about one person.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ContactPath {
    /// The person: a phone number in digits, `…@s.whatsapp.net`, `…@c.us` or `…@lid`.
    #[param(example = "15550001001")]
    #[expect(dead_code, reason = "documentation; the value is taken by its extractor")]
    contact: String,
}
