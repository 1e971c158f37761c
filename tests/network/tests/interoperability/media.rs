//! Files between Baileys clients and phones, byte for byte, and files that are there no more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use buffa::MessageField;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use waproto::whatsapp::Message;
use waproto::whatsapp::message::{AudioMessage, DocumentMessage, ImageMessage, StickerMessage, VideoMessage};

use crate::baileys::Baileys;
use crate::world::{Person, World};

/// Bytes that compress badly and repeat nowhere.
fn file(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut block = Sha256::digest(length.to_le_bytes());
    while bytes.len() < length {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes.truncate(length);
    bytes
}

/// A message of a kind about a file that a phone has uploaded.
fn message_about(kind: &str, uploaded: &Value) -> Message {
    let text = |name: &str| Some(uploaded[name].as_str().unwrap().to_owned());
    let bytes = |name: &str| Some(BASE64.decode(uploaded[name].as_str().unwrap()).unwrap());
    let length = uploaded["file_length"].as_u64();
    macro_rules! about {
        ($type:ident, $mime:literal) => {
            MessageField::some($type {
                url: text("url"),
                direct_path: text("direct_path"),
                media_key: bytes("media_key"),
                file_sha256: bytes("file_sha256"),
                file_enc_sha256: bytes("file_enc_sha256"),
                file_length: length,
                mimetype: Some($mime.to_owned()),
                ..Default::default()
            })
        };
    }
    let mut message = Message::default();
    match kind {
        "image" => message.image_message = about!(ImageMessage, "image/jpeg"),
        "video" => message.video_message = about!(VideoMessage, "video/mp4"),
        "audio" => message.audio_message = about!(AudioMessage, "audio/ogg; codecs=opus"),
        "sticker" => message.sticker_message = about!(StickerMessage, "image/webp"),
        _ => message.document_message = about!(DocumentMessage, "application/pdf"),
    }
    message
}

async fn phone_sends_file(world: &World, from: &Person, to: &Person, kind: &str, file: &[u8]) -> (String, Value) {
    let uploaded = world.phone_uploads(from, kind, file).await;
    let message = message_about(kind, &uploaded);
    let id = world.phone_sends_message(from, &to.by_number(), &message).await;
    (id, uploaded)
}

async fn message_with(client: &mut Baileys, id: &str) -> Value {
    client
        .wait("the message", |event| event["event"] == "message" && event["id"] == id)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_kind_go_both_ways_byte_for_byte() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;

    for (place, kind) in ["image", "video", "audio", "document", "sticker"]
        .into_iter()
        .enumerate()
    {
        let sent = file(30_000 + place);
        let (id, _) = phone_sends_file(&world, &grace, &ada, kind, &sent).await;
        let message = message_with(&mut of_ada, &id).await;
        assert_eq!(message["kind"], format!("{kind}Message"), "{message}");
        let downloaded = of_ada.download(&id).await;
        assert_eq!(downloaded["base64"], BASE64.encode(&sent), "{kind} to Baileys");

        let sent = file(40_000 + place);
        let content = json!({
            kind: { "base64": BASE64.encode(&sent) },
            "mimetype": "application/octet-stream",
            "jpegThumbnail": "",
            "seconds": 3,
        });
        let id = of_ada.send_content(&grace.by_number(), content).await;
        let (received, message) = world.phone_reads_message(&grace, &id).await;
        assert_eq!(
            (&received["type"], &received["stanza_type"]),
            (&json!(kind), &json!("media"))
        );
        assert_eq!(
            read(&world, &grace, kind, &message).await,
            (StatusCode::OK, sent),
            "{kind} to a phone"
        );
        // The own phone has its copy too.
        let (received, _) = world.phone_reads_message(&ada, &id).await;
        assert_eq!(received["from_me"], true);
    }
}

/// What a phone reads with the path and key of a message.
async fn read(world: &World, person: &Person, kind: &str, message: &Message) -> (StatusCode, Vec<u8>) {
    macro_rules! said {
        ($field:ident) => {
            (
                message.$field.direct_path.clone(),
                message.$field.media_key.clone(),
            )
        };
    }
    let (direct_path, media_key) = match kind {
        "image" => said!(image_message),
        "video" => said!(video_message),
        "audio" => said!(audio_message),
        "sticker" => said!(sticker_message),
        _ => said!(document_message),
    };
    let wanted = json!({
        "direct_path": direct_path.unwrap(),
        "media_key": BASE64.encode(media_key.unwrap()),
        "kind": kind,
    });
    let path = format!("/phones/{}/media/read", person.number);
    world.post_file(&path, wanted.to_string().into_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_20_megabytes_arrives_whole_and_in_parts() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let sent = file(20 * 1024 * 1024);
    let (id, uploaded) = phone_sends_file(&world, &grace, &ada, "document", &sent).await;
    message_with(&mut of_ada, &id).await;
    let downloaded = of_ada.download(&id).await;
    assert_eq!(downloaded["length"], sent.len());
    assert_eq!(downloaded["sha256"], hex::encode(Sha256::digest(&sent)));

    // Baileys reads a part by asking for a part of the ciphertext.
    of_ada
        .command(json!({ "do": "download", "id": id, "from": 1_000_000, "to": 1_000_500 }))
        .await;
    let part = of_ada.outcome("media").await;
    assert_eq!(part["base64"], BASE64.encode(&sent[1_000_000..1_000_500]));

    let store = store_client(&world);
    let url = uploaded["url"].as_str().unwrap();
    let whole = store.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(
        BASE64.encode(Sha256::digest(&whole)),
        uploaded["file_enc_sha256"].as_str().unwrap()
    );
    for (range, expected) in [
        ("bytes=0-99", 0..100),
        ("bytes=20000000-", 20_000_000..whole.len()),
        ("bytes=-10", whole.len() - 10..whole.len()),
    ] {
        let answer = store.get(url).header(RANGE, range).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let named = format!("bytes {}-{}/{}", expected.start, expected.end - 1, whole.len());
        assert_eq!(answer.headers()[CONTENT_RANGE], named);
        assert_eq!(answer.bytes().await.unwrap(), whole.slice(expected), "{range}");
    }
    let beyond = store.get(url).header(RANGE, "bytes=30000000-").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

/// A client that trusts the media store's authority and nobody else.
#[expect(clippy::disallowed_methods, reason = "it talks to a loopback address of its own")]
fn store_client(world: &World) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(world.media_authority().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([authority]).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_needs_an_authorization_and_the_digest_of_its_body() {
    let world = World::start().await;
    let ada = world.person().await;
    let store = store_client(&world);
    let number = network::accounts::Number::parse(&ada.number).unwrap();
    let media = &world.network().media;
    let (host, auth) = (media.host(), media.authorization(number));
    let body = file(5_000);
    let token = URL_SAFE_NO_PAD.encode(Sha256::digest(&body));
    let upload = |token: &str, query: String| {
        let url = format!("https://{host}/mms/document/{token}?token={token}{query}");
        store.post(url).body(body.clone()).send()
    };
    for query in [String::new(), "&auth=15550001001.00".to_owned()] {
        assert_eq!(upload(&token, query).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let other = URL_SAFE_NO_PAD.encode(Sha256::digest(b"another"));
    let refused = upload(&other, format!("&auth={auth}")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let resumed: Value = upload(&token, format!("&auth={auth}&resume=1"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(resumed, json!({ "resume": "not_found" }));
    assert_eq!(world.get("/media").await["files"], json!([]));

    let stored = upload(&token, format!("&auth={auth}")).await.unwrap();
    let stored: Value = stored.json().await.unwrap();
    let back = store.get(stored["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(back.bytes().await.unwrap(), body);
    let files = world.get("/media").await;
    assert_eq!(files["files"][0]["uploaded_by"], json!(ada.number));
    assert_eq!(files["files"][0]["downloads"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_file_is_uploaded_again_by_the_own_phone() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let sent = file(10_000);
    for status in [404, 410] {
        let (id, uploaded) = phone_sends_file(&world, &grace, &ada, "image", &sent).await;
        message_with(&mut of_ada, &id).await;
        world.phone_reads_message(&ada, &id).await;
        let expire = json!({ "direct_path": uploaded["direct_path"], "status": status });
        assert_eq!(world.post("/media/expire", expire).await["expired"], 1);
        of_ada.command(json!({ "do": "download", "id": id })).await;
        let failed = of_ada.event("failed").await;
        assert_eq!(failed["status"], status, "{failed}");

        of_ada.command(json!({ "do": "reupload", "id": id })).await;
        let again = of_ada.outcome("reuploaded").await;
        assert_ne!(again["direct_path"], uploaded["direct_path"]);
        assert_eq!(of_ada.download(&id).await["base64"], BASE64.encode(&sent));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_can_refuse_to_upload_a_file_again() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let (id, _) = phone_sends_file(&world, &grace, &ada, "document", &file(1_000)).await;
    message_with(&mut of_ada, &id).await;
    world.phone_reads_message(&ada, &id).await;
    // Baileys' own statuses for the three errors (Utils/messages-media.ts, `MEDIA_RETRY_STATUS_MAP`).
    for (answer, status) in [("not_found", 404), ("general_error", 418), ("decryption_error", 412)] {
        let path = format!("/phones/{}/media-retry", ada.number);
        world.post(&path, json!({ "answer": answer })).await;
        of_ada.command(json!({ "do": "reupload", "id": id })).await;
        let failed = of_ada.event("failed").await;
        assert_eq!(failed["status"], status, "{answer}: {failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_store_can_be_slow_and_can_fail() {
    let world = World::start().await;
    let (ada, grace) = (world.person().await, world.person().await);
    let (mut of_ada, _credentials) = Baileys::paired(&world, &ada).await;
    let sent = file(1_000);
    let (id, _) = phone_sends_file(&world, &grace, &ada, "document", &sent).await;
    message_with(&mut of_ada, &id).await;
    world
        .post("/faults", json!({ "kind": "media_download", "code": 503, "count": 1 }))
        .await;
    of_ada.command(json!({ "do": "download", "id": id })).await;
    assert_eq!(of_ada.event("failed").await["status"], 503);
    world
        .post(
            "/faults",
            json!({ "kind": "media_download", "delay_ms": 300, "count": 1 }),
        )
        .await;
    let start = std::time::Instant::now();
    assert_eq!(of_ada.download(&id).await["base64"], BASE64.encode(&sent));
    assert!(start.elapsed().as_millis() >= 300);

    // Baileys asks for another authorization and gives up, because there is only one host.
    world
        .post(
            "/faults",
            json!({ "kind": "media_upload", "code": 500, "session": ada.number, "count": 1 }),
        )
        .await;
    let content = json!({ "document": { "base64": BASE64.encode(&sent) }, "mimetype": "text/plain" });
    of_ada
        .command(json!({ "do": "send-content", "to": grace.by_number(), "content": content }))
        .await;
    of_ada.event("failed").await;
    of_ada.send_content(&grace.by_number(), content).await;
}
