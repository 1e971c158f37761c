//! Files: in as streams, described by their bytes, out by links that expire, never to another tenant.

use std::net::TcpListener;

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::wait::{SOON, until};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::client::Answer;
use crate::gateway::{Options, Tenant, World};

/// A real S3 server on a folder of its own.
struct S3 {
    url: String,
    folder: TempDir,
    stop: CancellationToken,
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl S3 {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("story")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn({
            let (path, stop) = (folder.path().to_owned(), stop.clone());
            async move {
                harness::s3::serve(address, &path, "access", "secret", stop)
                    .await
                    .unwrap();
            }
        });
        until("the object store listens", SOON, async || {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        Self {
            url: format!("http://{address}"),
            folder,
            stop,
        }
    }

    /// How many objects a tenant has.
    fn objects_of(&self, tenant: &Tenant) -> usize {
        let folder = self.folder.path().join("story").join(tenant.id.to_string());
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

async fn world(s3: &S3, flags: Vec<&str>) -> World {
    World::with(Options {
        s3: Some(s3.url.clone()),
        flags,
        ..Options::default()
    })
    .await
}

/// A picture of one colour.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb([200, 30, 30]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn upload(tenant: &Tenant, path: &str, content_type: &str, bytes: impl Into<Body>) -> Answer {
    tenant
        .client
        .call("POST", path)
        .header("content-type", content_type)
        .raw(bytes)
        .send()
        .await
}

/// What the link leads to, without any key.
async fn follow(answer: &Answer) -> (u16, Bytes) {
    assert_eq!(answer.status, 302, "{}", answer.json);
    let location = answer.headers["location"].to_str().unwrap();
    let found = harness::http::client().unwrap().get(location).send().await.unwrap();
    (found.status().as_u16(), found.bytes().await.unwrap())
}

#[tokio::test]
async fn a_picture_is_described_by_its_bytes_and_comes_back_as_it_was() {
    let s3 = S3::start().await;
    let world = world(&s3, Vec::new()).await;
    let tenant = world.tenant().await;
    let picture = png(640, 480);

    let created = upload(
        &tenant,
        "/v1/media?file_name=../r%C3%B6d.png",
        "text/plain",
        picture.clone(),
    )
    .await
    .expect(201);
    assert_eq!(created.json["mime_type"], "image/png", "the bytes are believed");
    assert_eq!(created.json["file_name"], "röd.png");
    assert_eq!(created.json["size"], picture.len());
    assert_eq!(created.text("/sha256"), hexadecimal(&picture));
    assert_eq!(
        (&created.json["width"], &created.json["height"]),
        (&json!(640), &json!(480))
    );
    let thumbnail = STANDARD.decode(created.text("/thumbnail")).unwrap();
    let thumbnail = image::load_from_memory(&thumbnail).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (100, 75));

    let path = format!("/v1/media/{}", created.text("/id"));
    assert_eq!(tenant.client.get(&path).await.expect(200).json, created.json);
    let (status, bytes) = follow(&tenant.client.get(&format!("{path}/content")).await).await;
    assert_eq!((status, bytes.as_ref()), (200, picture.as_slice()));
    let passed_on = tenant
        .client
        .get(&format!("{path}/content?redirect=false"))
        .await
        .expect(200);
    assert_eq!(passed_on.bytes, picture);
    assert_eq!(passed_on.headers["content-disposition"], "attachment");

    tenant.client.delete(&path).await.expect(204);
    tenant
        .client
        .get(&path)
        .await
        .expect(404)
        .expect_problem("media_not_found");
    assert_eq!(s3.objects_of(&tenant), 0, "its bytes are gone too");
}

#[tokio::test]
async fn a_large_file_goes_in_as_a_stream_by_body_and_by_form() {
    let s3 = S3::start().await;
    let world = world(&s3, Vec::new()).await;
    let tenant = world.tenant().await;
    // Three parts of the bucket's upload, the last one not full.
    let file: Vec<u8> = (0..12_000_000_u32)
        .map(|index| u8::try_from(index % 251).unwrap())
        .collect();
    let pieces: Vec<_> = file
        .chunks(60_000)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    let body = Body::from_stream(futures::stream::iter(pieces));
    let by_body = upload(&tenant, "/v1/media", "application/octet-stream", body)
        .await
        .expect(201);
    assert_eq!(by_body.text("/sha256"), hexadecimal(&file));

    let head = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: application/x-thing\r\n\r\n";
    let form = [head.as_bytes(), &file, b"\r\n--edge--\r\n"].concat();
    let by_form = upload(&tenant, "/v1/media", "multipart/form-data; boundary=edge", form)
        .await
        .expect(201);
    assert_eq!(by_form.text("/sha256"), hexadecimal(&file));
    assert_eq!(
        (by_form.text("/file_name"), by_form.text("/mime_type")),
        ("a.bin".into(), "application/x-thing".into())
    );
    let path = format!("/v1/media/{}/content", by_form.text("/id"));
    let (_, bytes) = follow(&tenant.client.get(&path).await).await;
    assert!(bytes == file, "byte for byte");
}

#[tokio::test]
async fn a_file_that_is_too_large_or_empty_leaves_nothing_behind() {
    let s3 = S3::start().await;
    let world = world(&s3, vec!["--media-document-bytes=6000000"]).await;
    let tenant = world.tenant().await;
    let pieces = (0..120).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![7; 60_000])));
    let body = Body::from_stream(futures::stream::iter(pieces));
    let refused = upload(&tenant, "/v1/media", "application/octet-stream", body)
        .await
        .expect(413);
    refused.expect_problem("media_too_large");
    upload(&tenant, "/v1/media", "image/png", Vec::new()).await.expect(422);
    let none = tenant
        .client
        .post("/v1/media", json!({"base64": "not base64!"}))
        .await
        .expect(422);
    assert_eq!(none.json["errors"][0]["field"], "base64");
    tenant
        .client
        .post("/v1/media", json!({"link": "http://127.0.0.1:9/x"}))
        .await
        .expect(422)
        .expect_problem("url_forbidden");
    until("nothing stays in the bucket", SOON, async || {
        (s3.objects_of(&tenant) == 0).then_some(())
    })
    .await;
    assert_eq!(tenant.client.get("/v1/media").await.expect(200).json["data"], json!([]));
}

#[tokio::test]
async fn a_repeated_upload_is_one_file() {
    let s3 = S3::start().await;
    let world = world(&s3, Vec::new()).await;
    let tenant = world.tenant().await;
    let send = async |text: &str| {
        let body = json!({"base64": STANDARD.encode(text), "mime_type": "text/plain", "file_name": "a.txt"});
        let call = tenant
            .client
            .call("POST", "/v1/media")
            .header("idempotency-key", "k")
            .json(&body);
        call.send().await
    };
    let first = send("one").await.expect(201);
    let again = send("one").await.expect(201);
    assert_eq!(first.json, again.json);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    send("two").await.expect(422).expect_problem("idempotency_conflict");
    assert_eq!(s3.objects_of(&tenant), 1, "what came in again is thrown away");
}

#[tokio::test]
async fn a_file_can_go_straight_into_the_bucket_and_links_expire() {
    let s3 = S3::start().await;
    let world = world(&s3, vec!["--media-url-seconds=2"]).await;
    let tenant = world.tenant().await;
    let file = png(32, 16);
    let body = json!({"file_name": "small.png", "mime_type": "image/png", "size": file.len()});
    let place = tenant.client.post("/v1/media/uploads", body).await.expect(201);
    let path = format!("/v1/media/{}", place.text("/id"));
    assert_eq!(tenant.client.get(&path).await.expect(200).json["status"], "uploading");
    tenant.client.get(&format!("{path}/content")).await.expect(404);
    let early = tenant
        .client
        .post(&format!("{path}/complete"), json!({}))
        .await
        .expect(422);
    assert!(early.text("/detail").contains("nothing was uploaded"), "{}", early.json);

    let http = harness::http::client().unwrap();
    let put = http.put(place.text("/url")).body(file.clone()).send().await.unwrap();
    assert_eq!(put.status(), 200, "no key is needed");
    let done = tenant
        .client
        .post(&format!("{path}/complete"), json!({}))
        .await
        .expect(200);
    assert_eq!(
        (done.text("/status"), done.text("/sha256")),
        ("stored".into(), hexadecimal(&file))
    );
    assert_eq!((&done.json["width"], &done.json["height"]), (&json!(32), &json!(16)));

    let answer = tenant.client.get(&format!("{path}/content")).await;
    let (status, bytes) = follow(&answer).await;
    assert_eq!((status, bytes.as_ref()), (200, file.as_slice()));
    until("the link has expired", SOON, async || {
        (follow(&answer).await.0 == 403).then_some(())
    })
    .await;
    let put = http.put(place.text("/url")).body("changed").send().await.unwrap();
    assert_eq!(put.status(), 403, "and so has the one for uploading");
}

#[tokio::test]
async fn files_are_listed_in_pages_and_seen_by_their_tenant_alone() {
    let s3 = S3::start().await;
    let world = world(&s3, Vec::new()).await;
    let (alice, bob) = (world.tenant().await, world.tenant().await);
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.push(
            upload(&alice, "/v1/media", "text/plain", text)
                .await
                .expect(201)
                .text("/id"),
        );
    }
    ids.push(
        upload(&alice, "/v1/media", "image/png", png(8, 8))
            .await
            .expect(201)
            .text("/id"),
    );
    ids.reverse();

    let page = alice.client.get("/v1/media?limit=3").await.expect(200);
    let cursor = page.text("/next_cursor");
    let rest = alice
        .client
        .get(&format!("/v1/media?limit=3&cursor={cursor}"))
        .await
        .expect(200);
    let listed: Vec<String> = [&page, &rest]
        .iter()
        .flat_map(|page| page.json["data"].as_array().unwrap())
        .map(|file| file["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, ids, "newest first");
    assert_eq!(rest.json["next_cursor"], json!(null));
    let pictures = alice.client.get("/v1/media?mime_type=image/*").await.expect(200);
    assert_eq!(pictures.json["data"].as_array().unwrap().len(), 1);

    assert_eq!(bob.client.get("/v1/media").await.expect(200).json["data"], json!([]));
    for path in ["", "/content"] {
        bob.client
            .get(&format!("/v1/media/{}{path}", ids[0]))
            .await
            .expect(404)
            .expect_problem("media_not_found");
    }
    bob.client.delete(&format!("/v1/media/{}", ids[0])).await.expect(404);
    let (_, key) = world
        .key(&alice.id.to_string(), json!({"scopes": ["messages:send"]}))
        .await;
    let unable = alice.client.with_key(&key);
    unable.get("/v1/media").await.expect(403).expect_problem("forbidden");
}

#[tokio::test]
async fn without_the_bucket_uploads_say_so() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    upload(&tenant, "/v1/media", "text/plain", "hello")
        .await
        .expect(503)
        .expect_problem("unavailable");
}

#[tokio::test]
async fn a_message_names_a_file_of_its_kind_or_is_refused() {
    let s3 = S3::start().await;
    let world = world(&s3, vec!["--media-image-bytes=20000"]).await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let messages = format!("/v1/sessions/{session}/messages");
    let picture = upload(&tenant, "/v1/media", "image/png", png(300, 200))
        .await
        .expect(201)
        .text("/id");
    let text = upload(&tenant, "/v1/media", "text/plain", "no picture")
        .await
        .expect(201)
        .text("/id");
    let noise: Vec<u8> = (0..30_000_u32)
        .map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let large = [png(8, 8), noise].concat();
    let large = upload(&tenant, "/v1/media", "image/png", large)
        .await
        .expect(201)
        .text("/id");
    let send = async |kind: &str, media: &str| {
        let mut body = json!({"to": "15550009999", "type": kind});
        body[kind] = json!({"media_id": media});
        tenant.client.post(&messages, body).await
    };

    let sent = send("image", &picture).await.expect(202);
    let stored = tenant
        .client
        .get(&format!("{messages}/{}", sent.text("/id")))
        .await
        .expect(200);
    assert_eq!(stored.json["image"]["media_id"], picture.as_str());
    assert_eq!(stored.json["image"]["width"], 300);
    send("image", &text)
        .await
        .expect(422)
        .expect_problem("unsupported_media");
    send("image", &large)
        .await
        .expect(413)
        .expect_problem("media_too_large");
    send("document", &large).await.expect(202);
    send("image", "med_00000000000000000000000000")
        .await
        .expect(404)
        .expect_problem("media_not_found");

    let sticker = send("sticker", &picture).await.expect(202);
    let again = send("sticker", &picture).await.expect(202);
    let media_of = async |id: String| {
        tenant
            .client
            .get(&format!("{messages}/{id}"))
            .await
            .expect(200)
            .text("/sticker/media_id")
    };
    let (first, second) = (media_of(sticker.text("/id")).await, media_of(again.text("/id")).await);
    assert_eq!(first, second, "converted once");
    let (_, bytes) = follow(&tenant.client.get(&format!("/v1/media/{first}/content")).await).await;
    let decoded = image::load_from_memory_with_format(&bytes, image::ImageFormat::WebP).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (512, 512));
}

/// An MP4 with its header before or behind its frames, which are none.
fn film(seconds: u32, header_first: bool) -> Vec<u8> {
    let boxed = |kind: &[u8; 4], content: &[u8]| {
        let length = u32::try_from(content.len() + 8).unwrap();
        [length.to_be_bytes().as_slice(), kind, content].concat()
    };
    let mut movie = vec![0; 100];
    movie[12..16].copy_from_slice(&600_u32.to_be_bytes());
    movie[16..20].copy_from_slice(&(seconds * 600).to_be_bytes());
    let mut track = vec![0; 84];
    track[40..44].copy_from_slice(&0x0001_0000_u32.to_be_bytes());
    track[76..80].copy_from_slice(&(1_280_u32 << 16).to_be_bytes());
    track[80..84].copy_from_slice(&(720_u32 << 16).to_be_bytes());
    let moov = boxed(
        b"moov",
        &[boxed(b"mvhd", &movie), boxed(b"trak", &boxed(b"tkhd", &track))].concat(),
    );
    // Larger than one part of an upload.
    let frames = boxed(b"mdat", &vec![7; 6_000_000]);
    let kind = boxed(b"ftyp", b"isom\0\0\0\0isomiso2");
    match header_first {
        true => [kind, moov, frames].concat(),
        false => [kind, frames, moov].concat(),
    }
}

#[tokio::test]
async fn a_film_says_how_long_and_how_large_it_is_wherever_its_header_stands() {
    let s3 = S3::start().await;
    let world = world(&s3, Vec::new()).await;
    let tenant = world.tenant().await;
    for header_first in [true, false] {
        let stored = upload(&tenant, "/v1/media", "video/mp4", film(75, header_first))
            .await
            .expect(201);
        assert_eq!(stored.text("/mime_type"), "video/mp4");
        assert_eq!(
            (&stored.json["seconds"], &stored.json["width"], &stored.json["height"]),
            (&json!(75), &json!(1_280), &json!(720)),
            "header first: {header_first}"
        );
    }
    // One that says nothing of itself is a film all the same.
    let mut cut = film(75, false);
    cut.truncate(5_000_000);
    let stored = upload(&tenant, "/v1/media", "video/mp4", cut).await.expect(201);
    assert_eq!(
        (stored.text("/mime_type"), &stored.json["seconds"]),
        ("video/mp4".into(), &json!(null))
    );
}

#[tokio::test]
async fn a_message_takes_a_file_of_16_mib_in_base64_and_only_a_few_such_at_once() {
    /// As many as the gateway takes.
    const PLACES: usize = 8;
    let s3 = S3::start().await;
    let world = world(&s3, Vec::new()).await;
    let tenant = world.tenant().await;
    let session = tenant.linked_session(&world.database).await;
    let messages = format!("/v1/sessions/{session}/messages");
    let file: Vec<u8> = (0..16 * 1024 * 1024_u32)
        .map(|index| u8::try_from(index % 251).unwrap())
        .collect();
    let body = json!({"to": "15550009999", "type": "document", "document": {"base64": STANDARD.encode(&file)}});
    let sent = tenant.client.post(&messages, body.clone()).await.expect(202);
    let stored = tenant
        .client
        .get(&format!("{messages}/{}", sent.text("/id")))
        .await
        .expect(200);
    assert_eq!(stored.text("/document/sha256"), hexadecimal(&file));

    // Bodies that are long and come slowly take the places, and a short one needs none.
    let slow = || {
        let begun = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"to\":"))]);
        let never_ending = futures::StreamExt::chain(begun, futures::stream::pending());
        let call = tenant.client.call("POST", &messages);
        let call = call.header("content-type", "application/json");
        call.raw(Body::from_stream(never_ending)).send()
    };
    let mut taken: Vec<_> = (0..PLACES).map(|_| Box::pin(slow())).collect();
    for request in &mut taken {
        assert!(
            futures::poll!(request.as_mut()).is_pending(),
            "it waits for the rest of its body"
        );
    }
    until("all places are taken", SOON, async || {
        for request in &mut taken {
            assert!(futures::poll!(request.as_mut()).is_pending());
        }
        let refused = tenant.client.post(&messages, body.clone()).await;
        (refused.status == 503 && refused.text("/code") == "overloaded").then_some(())
    })
    .await;
    let short = json!({"to": "15550009999", "type": "text", "text": {"body": "Hello"}});
    tenant.client.post(&messages, short).await.expect(202);
    drop(taken);
    until("the places are free again", SOON, async || {
        (tenant.client.post(&messages, body.clone()).await.status == 202).then_some(())
    })
    .await;

    let larger = json!({"to": "15550009999", "type": "document", "document": {"base64": "A".repeat(24_200_000)}});
    tenant
        .client
        .post(&messages, larger)
        .await
        .expect(413)
        .expect_problem("body_too_large");
}
