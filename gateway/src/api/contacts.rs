//! `/v1/sessions/{id}/contacts`: people as the session knows them and as WhatsApp shows them.
//!
//! What is listed comes from the read model. What only WhatsApp knows (about, picture, business profile, who uses it) is asked through the holder
//! when a client asks for it; what comes of that is written by the holder, never here.

mod change;
pub(crate) mod check;
mod details;
mod list;
mod path;
mod presence;

use serde::Serialize;
use shared::address::Party;
use shared::problem::Code;
use shared::store::contacts::Contact;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use path::{CallId, ChatAddress, LabelId};
use path::{ContactAddress, ContactPath};

use crate::app::App;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list::list_contacts))
        .routes(routes!(check::check_contacts))
        .routes(routes!(
            details::get_contact,
            change::save_contact,
            change::forget_contact
        ))
        .routes(routes!(details::get_contact_ids))
        .routes(routes!(details::get_contact_about))
        .routes(routes!(details::get_contact_picture))
        .routes(routes!(details::get_contact_business_profile))
        .routes(routes!(change::block_contact, change::unblock_contact))
        .routes(routes!(presence::get_contact_presence, presence::subscribe_presence))
        .routes(routes!(list::list_blocked))
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
pub struct ContactObject {
    /// The ids.
    #[serde(flatten)]
    contact: Party,
    /// What the account's owner calls the person; null: not saved.
    name: Option<String>,
    /// The first name, likewise.
    first_name: Option<String>,
    /// What the person calls themselves.
    push_name: Option<String>,
    /// The name of a business that WhatsApp has verified.
    verified_name: Option<String>,
    /// Whether it is a business.
    is_business: bool,
    /// The about, as it was last told.
    about: Option<String>,
    /// The picture's id, as it was last told.
    picture_id: Option<String>,
    /// Whether the account has blocked the person.
    is_blocked: bool,
    /// When the session first heard of the person; null where it only now asked.
    created_at: Option<Timestamp>,
    /// When something about the person was last different.
    updated_at: Option<Timestamp>,
}

impl From<Contact> for ContactObject {
    fn from(contact: Contact) -> Self {
        Self {
            contact: contact.party,
            name: contact.name,
            first_name: contact.first_name,
            push_name: contact.push_name,
            verified_name: contact.verified_name,
            is_business: contact.is_business,
            about: contact.about,
            picture_id: contact.picture_id,
            is_blocked: contact.is_blocked,
            created_at: Some(contact.created_at.into()),
            updated_at: Some(contact.updated_at.into()),
        }
    }
}

fn unknown() -> Problem {
    Problem::not_found(Code::ContactNotFound)
}
