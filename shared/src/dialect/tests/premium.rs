//! What Api Premium's webhooks are told.

use serde_json::json;

use super::*;
use crate::dialect::premium as premium_words;
use crate::message::MessageStatus;

fn account() -> Party {
    Party {
        jid: "5511988887777@s.whatsapp.net".into(),
        phone: Some("5511988887777".into()),
        lid: None,
    }
}

fn around() -> Surroundings {
    Surroundings {
        account: Some(account()),
        account_name: Some("Loja".into()),
        picture: Some("iVBO".into()),
        ..super::around("loja")
    }
}

fn status(status: &str, reason: Option<&str>) -> Envelope {
    envelope(
        "session.status",
        json!({"status": status, "reason": reason, "account": account(), "holder": crate::ids::WorkerId::generate(), "epoch": 1}),
    )
}

fn told(event: &Envelope, around: &Surroundings) -> Vec<Value> {
    bodies(WebhookFormat::Premium, event, around)
}

#[test]
fn every_message_is_told_but_statuses() {
    let theirs = message(&Content::text("Olá"));
    let mut own = theirs.clone();
    own.from_me = true;
    own.from = account();
    own.status = MessageStatus::Sent;
    for (event_type, message, id, from, to) in [
        (
            "message.received",
            &theirs,
            "false_5491123456789@c.us_3EB0AA",
            "5491123456789@c.us",
            "5511988887777@c.us",
        ),
        (
            "message.sent",
            &own,
            "true_5491123456789@c.us_3EB0AA",
            "5511988887777@c.us",
            "5491123456789@c.us",
        ),
    ] {
        let event = envelope(event_type, serde_json::to_value(message).unwrap());
        let told = told(&event, &around());
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["tipo"], "recebendoMensagem");
        assert_eq!(told[0]["sessao"], "loja");
        let news = &told[0]["json"];
        assert_eq!(news["id"], id);
        assert_eq!((&news["from"], &news["to"]), (&json!(from), &json!(to)));
        assert_eq!(
            (&news["body"], &news["fromMe"]),
            (&json!("Olá"), &json!(message.from_me))
        );
    }
    own.chat.jid = "status@broadcast".into();
    own.chat.phone = None;
    let posted = envelope("message.sent", serde_json::to_value(&own).unwrap());
    assert!(!WebhookFormat::Premium.tells(&posted));
    assert!(told(&posted, &around()).is_empty());
}

#[test]
fn an_acknowledgement_is_the_message_in_short_with_its_id_in_parts() {
    let mut own = message(&Content::text("Olá"));
    own.from_me = true;
    let event = envelope(
        "message.status",
        json!({"message_id": own.id, "wa_message_id": "3EB0AA", "chat": own.chat, "status": "read", "participant": null}),
    );
    let around = Surroundings {
        message: Some(own),
        ..around()
    };
    let told = told(&event, &around);
    assert_eq!(told[0]["tipo"], "atualizarMensagem");
    let news = &told[0]["json"];
    assert_eq!(
        news["id"],
        json!({"fromMe": true, "remote": "5491123456789@c.us", "id": "3EB0AA", "participant": null,
               "_serialized": "true_5491123456789@c.us_3EB0AA"})
    );
    assert_eq!(
        (&news["ack"], &news["to"], &news["body"]),
        (&json!(3), &json!("5491123456789@c.us"), &json!("Olá"))
    );
}

#[test]
fn states_are_told_in_the_words_of_the_web_client() {
    let state = |state: &str| json!({"tipo": "statusMudou", "sessao": "loja", "json": {"message": state}});
    for (word, told_as) in [
        ("starting", "OPENING"),
        ("qr", "UNPAIRED_IDLE"),
        ("connecting", "OPENING"),
        ("disconnected", "TIMEOUT"),
        ("stopped", "CLOSED"),
        ("failed", "CLOSED"),
    ] {
        assert_eq!(told(&status(word, None), &around()), [state(told_as)], "{word}");
    }
    let connected = told(&status("connected", None), &around());
    assert_eq!(connected[0]["tipo"], "ativandoSincronizacao");
    let wid = json!({"server": "c.us", "user": "5511988887777", "_serialized": "5511988887777@c.us"});
    assert_eq!(connected[0]["json"]["wid"], wid);
    assert_eq!(connected[0]["json"]["pushname"], "Loja");
    assert_eq!(connected[0]["json"]["connected"], true);
    assert_eq!(connected[1..], [state("CONNECTED")]);

    let unlinked = told(&status("logged_out", Some("logged_out_by_phone")), &around());
    assert_eq!(
        unlinked[0],
        json!({"tipo": "AlterarStatusNumero", "sessao": "loja", "json": {"message": "desconectado", "motivo": "logged_out_by_phone"}})
    );
    assert_eq!(unlinked[1..], [state("UNPAIRED")]);
    assert_eq!(told(&status("banned", None), &around())[0]["json"]["message"], "banido");
}

#[test]
fn a_removal_is_told_by_what_carries_the_sessions_name() {
    let unnamed = status("stopped", Some("deleted"));
    assert!(!WebhookFormat::Premium.tells(&unnamed));
    let named = premium_words::removal(unnamed.tenant_id, unnamed.session_id, "loja", unnamed.timestamp);
    assert_eq!(
        told(&named, &around()),
        [json!({"tipo": "AlterarStatusNumero", "sessao": "loja", "json": {"message": "deletado"}})]
    );
}

#[test]
fn a_code_is_told_as_text_and_as_picture() {
    let shown = envelope(
        "session.qr",
        json!({"code": "2@abc", "expires_at": "2026-11-20T12:00:20Z"}),
    );
    assert_eq!(
        told(&shown, &around())[0]["json"],
        json!({"qrCode": "2@abc", "qrCodeB64": "data:image/png;base64,iVBO"})
    );
}
