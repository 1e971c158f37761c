//! Sending in Api Premium: by GET, so every route here acts once for repeats within a moment (see [`crate::dialect::acting`]).

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use shared::dialect::web;
use shared::ids::MessageId;
use shared::message::Message;
use shared::problem::Code;

use super::shape::{self, around};
use super::{About, Acting, Client, Premium, address, ok, people};
use crate::app::App;
use crate::auth::SessionCall;
use crate::auth::permission::{ReadSessions, SendMessages};
use crate::database::promptly;
use crate::dialect::acting::once;
use crate::dialect::{Speech as _, sending, sessions};
use crate::problem::Problem;

/// Sends a message, once, and answers it.
async fn give(app: &App, about: &About<SendMessages>, acting: &Acting, message: &Value) -> Result<Response, Problem> {
    let sent = once(|| sending::send(app, &about.call, message, Some(acting.idempotency.clone()))).await?;
    Ok(ok(shown(app, about, &sent).await?))
}

/// A message that was sent, as it is shown.
pub(super) async fn shown(app: &App, about: &About<SendMessages>, sent: &Message) -> Result<Value, Problem> {
    let named = sessions::read(app, &about.call, Premium::DIALECT).await?;
    Ok(shape::message(sent, &around(&named)))
}

/// A text in which `<br>` is a new line, however it is written.
fn with_line_breaks(text: &str) -> String {
    const BREAK: &str = "<br>";
    let lower = text.to_ascii_lowercase();
    let mut lines = String::with_capacity(text.len());
    let mut rest = 0;
    for (at, _) in lower.match_indices(BREAK) {
        lines.push_str(&text[rest..at]);
        lines.push('\n');
        rest = at + BREAK.len();
    }
    lines.push_str(&text[rest..]);
    lines
}

/// `GET /:sessao/enviarmsg`.
pub(super) async fn text(
    State(app): State<App>,
    acting: Acting,
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let (to, text) = (about.asked.chat()?.to_string(), about.asked.required("msg")?);
    let text = with_line_breaks(text);
    let message = json!({ "to": to, "type": "text", "text": { "body": text } });
    give(&app, &about, &acting, &message).await
}

/// `GET /:sessao/novocontato`: the same to a number that is checked first.
pub(super) async fn new_contact(
    State(app): State<App>,
    acting: Acting,
    client: Client,
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let text = about.asked.required("msg")?;
    let looking = client.session::<ReadSessions>(&app, &about.name).await?;
    let checked = people::checked(&app, looking, about.asked.required("numero")?).await?;
    let message = json!({ "to": checked["id"]["_serialized"], "type": "text", "text": { "body": text } });
    give(&app, &about, &acting, &message).await
}

/// The message that a client names: by what our messages show as `id`, by WhatsApp's own id, or by ours.
pub(super) async fn message_named(
    app: &App,
    call: &SessionCall<impl crate::auth::permission::Permission>,
    text: &str,
) -> Result<MessageId, Problem> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let wa_message_id = web::wa_message_id(text.trim());
    let found = promptly(async {
        let mut transaction = app.store().tenant(call.tenant.tenant).await?;
        Ok(transaction.message_of_whatsapp(call.session, wa_message_id).await?)
    })
    .await?;
    found.ok_or_else(|| Problem::not_found(Code::MessageNotFound))
}

/// `GET /:sessao/encaminharmsg`.
pub(super) async fn forward(
    State(app): State<App>,
    acting: Acting,
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let to = about.asked.chat()?.to_string();
    let original = message_named(&app, &about.call, about.asked.required("msgid")?).await?;
    let message = json!({ "to": to, "type": "forward", "forward": { "message_id": original } });
    give(&app, &about, &acting, &message).await
}

/// `GET /:sessao/enviarcontato`: `contato` is a number; its name is the one that the account knows, or `nome`.
pub(super) async fn contact(
    State(app): State<App>,
    acting: Acting,
    about: About<SendMessages>,
) -> Result<Response, Problem> {
    let to = about.asked.chat()?.to_string();
    let person = address(about.asked.required("contato")?)?;
    let known = promptly(async {
        let mut transaction = app.store().tenant(about.call.tenant.tenant).await?;
        Ok(transaction.contact(about.call.session, &person).await?)
    })
    .await?;
    let number = person.phone().map(str::to_owned);
    let number = number.or_else(|| known.as_ref().and_then(|contact| contact.party.phone.clone()));
    let number = number.ok_or_else(|| Problem::field("contato", "has no known number"))?;
    let known = known.and_then(|contact| contact.name.or(contact.push_name));
    let shown = about.asked.get("nome").map(str::to_owned).or(known);
    let card = json!({ "name": shown.unwrap_or_else(|| number.clone()), "phones": [format!("+{number}")] });
    let message = json!({ "to": to, "type": "contacts", "contacts": [card] });
    give(&app, &about, &acting, &message).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_is_a_new_line_however_it_is_written() {
        assert_eq!(with_line_breaks("Olá<br>mundo<BR><Br>É"), "Olá\nmundo\n\nÉ");
        assert_eq!(with_line_breaks("a < br > b<b>r"), "a < br > b<b>r");
        assert_eq!(with_line_breaks("<br>"), "\n");
    }
}
