//! `GET …/contacts/{contact}` and what is below it: one person, as known and as WhatsApp shows them now.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::address::{Address, Party};
use shared::problem::Code;
use shared::query::contact::{BusinessProfile, ContactDetails, Picture};
use shared::query::{ContactLookup, Lookup};
use shared::store::contacts::Contact;
use utoipa::ToSchema;

use super::{ContactAddress, ContactObject, ContactPath, unknown};
use crate::api::sessions::{self, SessionPath};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::ReadSessions;
use crate::database::promptly;
use crate::http::parameters::Parameters;
use crate::http::path::Id;
use crate::look_up::look_up;
use crate::problem::Problem;

type Call = SessionCall<ReadSessions>;

/// How a person is read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GetContact {
    /// Whether WhatsApp is asked for the about, the picture's id and the verified name first; the session must be connected.
    #[serde(default)]
    #[param(required = false, default = false)]
    refresh: bool,
}

/// A person's about.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContactAbout {
    /// Who.
    #[serde(flatten)]
    contact: Party,
    /// The about; null where there is none or it is hidden.
    #[schema(example = "At the office")]
    about: Option<String>,
}

/// Which picture is meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichPicture {
    /// `image`: the whole one; `preview`: a small one.
    #[serde(rename = "type", default)]
    #[param(inline, required = false)]
    kind: PictureKind,
}

/// A size of picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PictureKind {
    /// The whole one.
    #[default]
    Image,
    /// A small one.
    Preview,
}

async fn known(app: &App, call: &Call, contact: &Address) -> Result<Option<Contact>, Problem> {
    promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        sessions::find(&mut transaction, call.session).await?;
        Ok(transaction.contact(call.session, contact).await?)
    })
    .await
}

/// Get a person.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/contacts/{contact}", tag = "contacts", params(SessionPath, ContactPath, GetContact),
    responses((status = 200, description = "The person.", body = ContactObject)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started",
        "session_not_connected", "whatsapp_refused"]))))]
pub(super) async fn get_contact(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
    Parameters(parameters): Parameters<GetContact>,
) -> Result<Json<ContactObject>, Problem> {
    let row = known(&app, &call, &contact).await?;
    if !parameters.refresh {
        return row.map(|row| Json(row.into())).ok_or_else(unknown);
    }
    let details: ContactDetails = look_up(&app, &call, Lookup::Contact(ContactLookup::Details { contact })).await?;
    let shows_something = details.about.is_some()
        || details.picture_id.is_some()
        || details.contact.phone.is_some() && details.contact.lid.is_some();
    if row.is_none() && !shows_something {
        return Err(unknown());
    }
    Ok(Json(refreshed(row, details)))
}

/// What is known, with what WhatsApp says now.
fn refreshed(row: Option<Contact>, details: ContactDetails) -> ContactObject {
    let known = row.map(ContactObject::from);
    let (created_at, updated_at) = known
        .as_ref()
        .map_or((None, None), |known| (known.created_at, known.updated_at));
    let (name, first_name, push_name, is_blocked) = known.map_or((None, None, None, false), |known| {
        (known.name, known.first_name, known.push_name, known.is_blocked)
    });
    ContactObject {
        contact: details.contact,
        name,
        first_name,
        push_name,
        verified_name: details.verified_name,
        is_business: details.is_business,
        about: details.about,
        picture_id: details.picture_id,
        is_blocked,
        created_at,
        updated_at,
    }
}

/// Get a person's about, as WhatsApp shows it now.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/contacts/{contact}/about", tag = "contacts", params(SessionPath, ContactPath),
    responses((status = 200, description = "The about.", body = ContactAbout)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started",
        "session_not_connected", "whatsapp_refused"]))))]
pub(super) async fn get_contact_about(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
) -> Result<Json<ContactAbout>, Problem> {
    let details: ContactDetails = look_up(&app, &call, Lookup::Contact(ContactLookup::Details { contact })).await?;
    Ok(Json(ContactAbout {
        contact: details.contact,
        about: details.about,
    }))
}

/// Get where a person's picture is. WhatsApp offers it under that URL for some days.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/contacts/{contact}/picture", tag = "contacts", params(SessionPath, ContactPath, WhichPicture),
    responses((status = 200, description = "The picture.", body = Picture)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "not_found_on_whatsapp", "session_not_paired",
        "session_not_started", "session_not_connected", "whatsapp_refused"]))))]
pub(super) async fn get_contact_picture(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
    Parameters(which): Parameters<WhichPicture>,
) -> Result<Json<Picture>, Problem> {
    let preview = which.kind == PictureKind::Preview;
    let lookup = Lookup::Contact(ContactLookup::Picture { contact, preview });
    let found: Option<Picture> = look_up(&app, &call, lookup).await?;
    found.map(Json).ok_or_else(|| {
        Problem::new(
            Code::NotFoundOnWhatsapp,
            "The person has no picture, or does not show it to this account.",
        )
    })
}

/// Get what a business says about itself.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/contacts/{contact}/business-profile", tag = "contacts", params(SessionPath, ContactPath),
    responses((status = 200, description = "The profile.", body = BusinessProfile)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "not_found_on_whatsapp", "session_not_paired",
        "session_not_started", "session_not_connected", "whatsapp_refused"]))))]
pub(super) async fn get_contact_business_profile(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
) -> Result<Json<BusinessProfile>, Problem> {
    let lookup = Lookup::Contact(ContactLookup::BusinessProfile { contact });
    let found: Option<BusinessProfile> = look_up(&app, &call, lookup).await?;
    found
        .map(Json)
        .ok_or_else(|| Problem::new(Code::NotFoundOnWhatsapp, "The person is no business."))
}

/// Get both ids of a person, the phone number and the LID. WhatsApp is asked where they are not known.
#[utoipa::path(get, path = "/v1/sessions/{session_id}/contacts/{contact}/ids", tag = "contacts", params(SessionPath, ContactPath),
    responses((status = 200, description = "The ids; null where WhatsApp does not tell one.", body = Party)),
    extensions(("x-problems" = json!(["session_not_found", "region_unavailable", "contact_not_found", "session_not_paired", "session_not_started",
        "session_not_connected", "whatsapp_refused"]))))]
pub(super) async fn get_contact_ids(
    State(app): State<App>,
    call: Call,
    Id(ContactAddress(contact)): Id<ContactAddress>,
) -> Result<Json<Party>, Problem> {
    let row = known(&app, &call, &contact).await?;
    if let Some(row) = row
        && row.party.phone.is_some()
        && row.party.lid.is_some()
    {
        return Ok(Json(row.party));
    }
    let lookup = Lookup::Contact(ContactLookup::Resolve { contact });
    look_up(&app, &call, lookup).await.map(Json)
}
