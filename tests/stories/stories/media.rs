//! Files in messages, both ways, byte for byte through the bucket; and what happens when the bucket or the file is away.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::baileys::Baileys;
use harness::client::SentMessage;
use harness::network::{MediaKind, file_message};
use harness::scratch::ConnectProxy;
use harness::service::Service;
use harness::wait::{NotYet, wait_for};
use reqwest::Method;
use serde_json::{Value, json};
use stories::scene::{LinkedSession, PATIENCE};
use stories::{Scene, Story};

stories::stories![
    files_that_arrive_are_in_the_bucket_byte_for_byte,
    a_file_that_is_sent_twice_is_uploaded_once_and_read_by_a_phone_and_baileys,
    messages_go_on_while_the_bucket_is_away_and_their_files_follow,
    a_file_that_whatsapp_no_longer_has_is_asked_of_the_phone,
    a_picture_a_film_and_a_sticker_reach_a_phone_and_a_picture_is_posted_as_a_status,
    a_sound_becomes_a_voice_note_that_baileys_reads,
    files_go_through_the_sessions_proxy_and_never_around_it,
    files_are_left_out_when_the_settings_say_so_and_fetched_when_asked_for,
];

/// How long a story keeps the bucket away.
const OUTAGE: Duration = Duration::from_secs(4);

/// Bytes that nobody could guess from others, the same in every run.
fn bytes(length: u32) -> Vec<u8> {
    (0..length)
        .map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect()
}

/// Stores a file and answers its id.
async fn upload(scene: &Scene, content_type: &str, bytes: Vec<u8>) -> anyhow::Result<String> {
    let request = scene.api.request(Method::POST, "/v1/media?file_name=bill.pdf");
    let stored = request.body(content_type, bytes).created().await?;
    Ok(stored["id"].as_str().context("a file without an id")?.to_owned())
}

/// Sends a message of any kind and waits until WhatsApp's server has it.
async fn send(scene: &Scene, session: &LinkedSession, body: &Value) -> anyhow::Result<SentMessage> {
    let path = format!("/v1/sessions/{}/messages", session.id);
    let answer = scene.api.post(&path, body).prefer_wait(PATIENCE).ok().await?;
    let sent: SentMessage = answer.json()?;
    ensure!(sent.status != "queued", "the message is still queued: {answer}");
    Ok(sent)
}

/// The event of a type that is about the message with WhatsApp's id.
async fn event(scene: &Scene, event_type: &str, wa_message_id: &str) -> anyhow::Result<Value> {
    let what = format!("{event_type} of {wa_message_id}");
    wait_for(what, PATIENCE + OUTAGE, async || {
        let events = scene.api.events().await?;
        let found = events
            .iter()
            .find(|event| event.event_type == event_type && event.data["wa_message_id"] == wa_message_id);
        match found {
            Some(event) => Ok(event.data.clone()),
            None => Err(NotYet::because("there is none")),
        }
    })
    .await
}

/// The bytes of a file, by the link that leads into the bucket.
async fn content(scene: &Scene, media: &Value) -> anyhow::Result<Vec<u8>> {
    let id = media["media_id"].as_str().context("a file without an id")?;
    let answer = scene
        .api
        .get(&format!("/v1/media/{id}/content"))
        .send()
        .await?
        .expect(302)?;
    let link = answer.header("location").context("a redirect leads somewhere")?;
    // Whoever has the link needs no key.
    let answer = harness::http::client()?.get(link).send().await?.error_for_status()?;
    Ok(answer.bytes().await?.to_vec())
}

async fn files_that_arrive_are_in_the_bucket_byte_for_byte(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    for (kind, name, mime_type, length) in [
        (MediaKind::Image, "image", "image/jpeg", 70_001),
        (MediaKind::Document, "document", "application/pdf", 6_000_000),
        (MediaKind::Sticker, "sticker", "image/webp", 16),
        (MediaKind::Audio, "audio", "audio/mpeg", 30_000),
        (MediaKind::Video, "video", "video/mp4", 250_000),
    ] {
        let file = bytes(length);
        let id = contact
            .send_file(&session.owner.number, kind, mime_type, file.clone())
            .await?;
        let received = event(&scene, "message.received", &id).await?;
        let media = &received[name];
        ensure!(
            media["status"] == "pending" && media["mime_type"] == mime_type,
            "{received}"
        );
        let stored = event(&scene, "media.stored", &id).await?;
        ensure!(stored["media"]["media_id"] == media["media_id"], "{stored}");
        ensure!(stored["message_id"] == received["id"], "{stored}");
        ensure!(stored["media"]["size"] == length, "{stored}");
        ensure!(content(&scene, media).await? == file, "the {name} is another one");
        let message = received["id"].as_str().context("a message without an id")?;
        let path = format!("/v1/sessions/{}/messages/{message}", session.id);
        let message: Value = scene.api.get(&path).ok().await?.json()?;
        ensure!(message[name]["status"] == "stored", "{message}");
    }
    // The other side's own implementation of the encryption.
    let bruno = scene.phone("Bruno").await?;
    let mut baileys = Baileys::paired(&scene, "bruno", &bruno).await?;
    let to = format!("{}@s.whatsapp.net", session.owner.number);
    let text = json!({ "document": { "base64": "QnJ1bm8ncyBmaWxl" }, "mimetype": "text/plain", "fileName": "b.txt" });
    let id = baileys.send_content(&to, &text, &json!({})).await?;
    let stored = event(&scene, "media.stored", &id).await?;
    ensure!(content(&scene, &stored["media"]).await? == b"Bruno's file", "{stored}");
    ensure!(stored["media"]["file_name"] == "b.txt", "{stored}");
    Ok(())
}

async fn a_file_that_is_sent_twice_is_uploaded_once_and_read_by_a_phone_and_baileys(
    story: &Story,
) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let bruno = scene.phone("Bruno").await?;
    let mut baileys = Baileys::paired(&scene, "bruno", &bruno).await?;
    let file = bytes(300_007);
    let media = upload(&scene, "application/pdf", file.clone()).await?;
    let body = |to: &str| json!({ "to": to, "type": "document", "document": { "media_id": media, "caption": "Yours", "file_name": "bill.pdf" } });

    let sent = send(&scene, &session, &body(&contact.number)).await?;
    let read = contact
        .first_message(PATIENCE, |message| message.id == sent.wa_message_id)
        .await?;
    let reference = read.media()?;
    ensure!(
        contact.read_media(&reference).await? == file,
        "the phone reads another file"
    );
    ensure!(reference.file_length == Some(300_007), "{reference:?}");

    let sent = send(&scene, &session, &body(&bruno.number)).await?;
    let is_it = |event: &Value| event["event"] == "message" && event["id"] == sent.wa_message_id.as_str();
    baileys.first("the document", is_it).await?;
    let downloaded = baileys.download(&sent.wa_message_id).await?;
    ensure!(
        downloaded.bytes.as_deref() == Some(file.as_slice()),
        "Baileys reads another file: {downloaded:?}"
    );

    let uploads = scene.network().media().await?;
    let own = uploads
        .iter()
        .filter(|upload| upload.uploaded_by == session.owner.number)
        .count();
    ensure!(own == 1, "{own} uploads for two messages: {uploads:?}");
    Ok(())
}

async fn messages_go_on_while_the_bucket_is_away_and_their_files_follow(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let file = bytes(50_000);
    scene.kill(Service::S3).await?;
    let away = std::time::Instant::now();

    let with_file = contact
        .send_file(
            &session.owner.number,
            MediaKind::Document,
            "application/pdf",
            file.clone(),
        )
        .await?;
    let received = event(&scene, "message.received", &with_file).await?;
    ensure!(received["document"]["status"] == "pending", "{received}");
    while away.elapsed() < OUTAGE {
        let text = contact.send_text(&session.owner.number, "still there?").await?;
        event(&scene, "message.received", &text).await?;
    }
    let events = scene.api.events().await?;
    ensure!(
        !events.iter().any(|event| event.event_type.starts_with("media.")),
        "the file cannot be stored yet"
    );

    scene.start(Service::S3).await?;
    let stored = event(&scene, "media.stored", &with_file).await?;
    ensure!(content(&scene, &stored["media"]).await? == file, "{stored}");
    Ok(())
}

async fn a_file_that_whatsapp_no_longer_has_is_asked_of_the_phone(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let file = bytes(20_000);
    let uploaded = contact.upload(MediaKind::Image, file.clone()).await?;
    let expired = scene.network().expire_media(Some(&uploaded.direct_path), 410).await?;
    ensure!(expired == 1, "{expired} files expired");
    let id = contact
        .send_protobuf(&session.owner.number, &file_message(&uploaded, "image/jpeg"))
        .await?;
    let stored = event(&scene, "media.stored", &id).await?;
    ensure!(content(&scene, &stored["media"]).await? == file, "{stored}");

    // And one that nobody has any more.
    session
        .owner
        .answer_media_retries(harness::network::MediaRetryAnswer::NotFound)
        .await?;
    let uploaded = contact.upload(MediaKind::Image, bytes(100)).await?;
    scene.network().expire_media(Some(&uploaded.direct_path), 404).await?;
    let id = contact
        .send_protobuf(&session.owner.number, &file_message(&uploaded, "image/jpeg"))
        .await?;
    let failed = event(&scene, "media.failed", &id).await?;
    ensure!(failed["error"]["code"] == "not_found_on_whatsapp", "{failed}");
    ensure!(failed["media"]["status"] == "failed", "{failed}");
    Ok(())
}

/// Two seconds of a tone as WAV: one channel, 16 bits, 8 kHz.
fn wav() -> Vec<u8> {
    const RATE: u32 = 8_000;
    // A square wave of 400 Hz needs no sine.
    let samples: Vec<u8> = (0..2 * RATE)
        .flat_map(|n| (if n / 10 % 2 == 0 { 8_000_i16 } else { -8_000 }).to_le_bytes())
        .collect();
    let length = u32::try_from(samples.len()).unwrap_or_default();
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    for (value, bytes) in [(16, 4), (1, 2), (1, 2), (RATE, 4), (RATE * 2, 4), (2, 2), (16, 2)] {
        file.extend_from_slice(&value.to_le_bytes()[..bytes]);
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&samples);
    file
}

async fn a_sound_becomes_a_voice_note_that_baileys_reads(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let bruno = scene.phone("Bruno").await?;
    let mut baileys = Baileys::paired(&scene, "bruno", &bruno).await?;
    let media = upload(&scene, "audio/wav", wav()).await?;
    let body = json!({ "to": bruno.number, "type": "audio", "audio": { "media_id": media, "voice": true } });
    let sent = send(&scene, &session, &body).await?;
    let is_it = |event: &Value| event["event"] == "message" && event["id"] == sent.wa_message_id.as_str();
    let seen = baileys.first("the voice note", is_it).await?;
    let note = &seen["content"]["audioMessage"];
    ensure!(note["ptt"] == true && note["seconds"] == 2, "{seen}");
    ensure!(note["mimetype"] == "audio/ogg; codecs=opus", "{seen}");
    let downloaded = baileys.download(&sent.wa_message_id).await?;
    let file = downloaded.bytes.context("Baileys gives no bytes")?;
    ensure!(
        file.starts_with(b"OggS") && file.get(28..36) == Some(b"OpusHead"),
        "{} bytes",
        file.len()
    );
    Ok(())
}

async fn files_are_left_out_when_the_settings_say_so_and_fetched_when_asked_for(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let owner = scene.phone("Front desk").await?;
    let body = json!({ "name": "Front desk", "settings": { "media": { "download": false } } });
    let session = scene.api.create_session_from(&body).await?.id;
    owner.scan(&scene.api.qr(&session, PATIENCE).await?).await?;
    scene.wait_for_status(&session, "connected").await?;
    let contact = scene.phone("Carlos").await?;
    let file = bytes(1_000);
    let id = contact
        .send_file(&owner.number, MediaKind::Image, "image/jpeg", file.clone())
        .await?;
    let received = event(&scene, "message.received", &id).await?;
    let media = &received["image"];
    ensure!(media["status"] == "skipped", "{received}");
    let path = format!(
        "/v1/media/{}",
        media["media_id"].as_str().context("a file without an id")?
    );
    scene.api.get(&format!("{path}/content")).send().await?.expect(404)?;

    let asked: Value = scene
        .api
        .post(&format!("{path}/download"), &json!({}))
        .send()
        .await?
        .expect(202)?
        .json()?;
    ensure!(asked["status"] == "pending", "{asked}");
    event(&scene, "media.stored", &id).await?;
    ensure!(content(&scene, media).await? == file, "another file");

    // A changed setting counts for the next file.
    let fetch = json!({ "settings": { "media": { "download": true } } });
    scene.api.patch(&format!("/v1/sessions/{session}"), &fetch).ok().await?;
    let id = contact
        .send_file(&owner.number, MediaKind::Image, "image/jpeg", file.clone())
        .await?;
    let received = event(&scene, "message.received", &id).await?;
    ensure!(received["image"]["status"] == "pending", "{received}");
    event(&scene, "media.stored", &id).await?;

    // A file that goes straight into the bucket, and out of it.
    let place = scene.api.post("/v1/media/uploads", &json!({})).created().await?;
    let url = place["url"].as_str().context("no URL")?;
    harness::http::client()?
        .put(url)
        .body(bytes(10))
        .send()
        .await?
        .error_for_status()?;
    let own = format!("/v1/media/{}", place["id"].as_str().context("no id")?);
    scene.api.post(&format!("{own}/complete"), &json!({})).ok().await?;
    let described: Value = scene.api.get(&own).ok().await?.json()?;
    ensure!(
        described["status"] == "stored" && described["size"] == 10,
        "{described}"
    );
    let listed: Value = scene.api.get("/v1/media").ok().await?.json()?;
    ensure!(
        listed["data"].as_array().is_some_and(|files| files.len() == 3),
        "{listed}"
    );
    scene.api.delete(&own).send().await?.expect(204)?;
    scene.api.get(&own).send().await?.expect(404)?;
    Ok(())
}

/// A picture of one colour.
fn picture(format: image::ImageFormat) -> anyhow::Result<Vec<u8>> {
    let mut encoded = Vec::new();
    image::RgbImage::from_pixel(300, 200, image::Rgb([30, 110, 79]))
        .write_to(&mut std::io::Cursor::new(&mut encoded), format)?;
    Ok(encoded)
}

/// A film that says how long it is. Its frames stand before its header, as cameras write it.
fn film(seconds: u32) -> Vec<u8> {
    let boxed = |kind: &[u8; 4], content: &[u8]| {
        let length = u32::try_from(content.len() + 8).unwrap_or_default();
        [length.to_be_bytes().as_slice(), kind, content].concat()
    };
    let mut header = vec![0; 100];
    header[12..16].copy_from_slice(&1_000_u32.to_be_bytes());
    header[16..20].copy_from_slice(&(seconds * 1_000).to_be_bytes());
    [
        boxed(b"ftyp", b"isom\0\0\0\0isomiso2"),
        boxed(b"mdat", &bytes(90_000)),
        boxed(b"moov", &boxed(b"mvhd", &header)),
    ]
    .concat()
}

async fn files_go_through_the_sessions_proxy_and_never_around_it(story: &Story) -> anyhow::Result<()> {
    let scene = Scene::on(story.stack()?.variable("ROOKERY_EGRESS_ALLOW", "127.0.0.0/8")).await?;
    let proxy = ConnectProxy::start("user", "secret").await?;
    let owner = scene.phone("Front desk").await?;
    let url = format!("http://user:secret@127.0.0.1:{}", proxy.port);
    let body = json!({ "name": "Front desk", "settings": { "proxy": { "url": url } } });
    let id = scene.api.create_session_from(&body).await?.id;
    owner.scan(&scene.api.qr(&id, PATIENCE).await?).await?;
    scene.wait_for_status(&id, "connected").await?;
    let session = LinkedSession { id, owner };
    let contact = scene.phone("Carlos").await?;
    let (socket, files) = (
        scene.site().port("network-protocol")?,
        scene.site().port("network-media")?,
    );
    ensure!(proxy.tunnels_to(socket) > 0, "the session connects through its proxy");

    // With the way to the files closed a file does not come, while messages do.
    proxy.refuse(files);
    let file = bytes(40_000);
    let incoming = contact
        .send_file(&session.owner.number, MediaKind::Image, "image/jpeg", file.clone())
        .await?;
    event(&scene, "message.received", &incoming).await?;
    wait_for("the proxy to be asked for the file", PATIENCE, async || {
        match proxy.refused() {
            0 => Err(NotYet::because("it was not")),
            _ => Ok(()),
        }
    })
    .await?;
    let text = contact.send_text(&session.owner.number, "still there?").await?;
    event(&scene, "message.received", &text).await?;
    let events = scene.api.events().await?;
    ensure!(
        !events.iter().any(|event| event.event_type == "media.stored"),
        "the file came around the proxy"
    );
    ensure!(proxy.tunnels_to(files) == 0, "the way is closed");

    proxy.allow(files);
    let stored = event(&scene, "media.stored", &incoming).await?;
    ensure!(content(&scene, &stored["media"]).await? == file, "{stored}");
    let before = proxy.bytes_to(files);
    ensure!(proxy.tunnels_to(files) > 0, "the file came through the proxy");

    let file = bytes(70_000);
    let media = upload(&scene, "application/pdf", file.clone()).await?;
    let body = json!({ "to": contact.number, "type": "document", "document": { "media_id": media } });
    let sent = send(&scene, &session, &body).await?;
    let read = contact
        .first_message(PATIENCE, |message| message.id == sent.wa_message_id)
        .await?;
    ensure!(contact.read_media(&read.media()?).await? == file, "another file");
    let through = proxy.bytes_to(files) - before;
    ensure!(
        through >= 70_000,
        "{through} bytes went through the proxy for a file of 70,000"
    );
    Ok(())
}

async fn a_picture_a_film_and_a_sticker_reach_a_phone_and_a_picture_is_posted_as_a_status(
    story: &Story,
) -> anyhow::Result<()> {
    let scene = Scene::of(story).await?;
    let session = scene.linked_session("Front desk").await?;
    let contact = scene.phone("Carlos").await?;
    let jpeg = picture(image::ImageFormat::Jpeg)?;
    // Its frames are no frames: nobody here plays it.
    let film = film(9);
    for (kind, content_type, file) in [("image", "image/jpeg", &jpeg), ("video", "video/mp4", &film)] {
        let media = upload(&scene, content_type, file.clone()).await?;
        let body = json!({ "to": contact.number, "type": kind, kind: { "media_id": media, "caption": "Look" } });
        let sent = send(&scene, &session, &body).await?;
        let read = contact
            .first_message(PATIENCE, |message| message.id == sent.wa_message_id)
            .await?;
        let reference = read.media()?;
        ensure!(
            contact.read_media(&reference).await? == *file,
            "the {kind} is another one"
        );
        if kind == "video" {
            let message = read.message()?;
            let video = message.video_message.as_option().context("no video")?;
            ensure!(video.seconds == Some(9), "{video:?}");
        }
    }

    let media = upload(&scene, "image/png", picture(image::ImageFormat::Png)?).await?;
    let body = json!({ "to": contact.number, "type": "sticker", "sticker": { "media_id": media } });
    let sent = send(&scene, &session, &body).await?;
    let read = contact
        .first_message(PATIENCE, |message| message.id == sent.wa_message_id)
        .await?;
    let sticker = contact.read_media(&read.media()?).await?;
    let decoded = image::load_from_memory_with_format(&sticker, image::ImageFormat::WebP)?;
    ensure!(
        (decoded.width(), decoded.height()) == (512, 512),
        "{} by {}",
        decoded.width(),
        decoded.height()
    );

    let media = upload(&scene, "image/jpeg", jpeg.clone()).await?;
    let post = json!({
        "type": "image",
        "image": { "media_id": media, "caption": "Open" },
        "audience": { "mode": "allow", "people": [contact.number] },
    });
    let path = format!("/v1/sessions/{}/statuses", session.id);
    let posted: Value = scene.api.post(&path, &post).prefer_wait(PATIENCE).ok().await?.json()?;
    let shown = contact
        .first_message(PATIENCE, |message| {
            Some(message.id.as_str()) == posted["wa_message_id"].as_str()
        })
        .await?;
    ensure!(shown.chat == "status@broadcast", "{shown:?}");
    ensure!(
        contact.read_media(&shown.media()?).await? == jpeg,
        "the post shows another picture"
    );
    Ok(())
}
