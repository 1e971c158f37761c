//! From WhatsApp's media servers: one encrypted file as a stream of decrypted pieces, and asking the phone for it when it is gone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wacore::media_retry::MediaRetryResult;
use whatsapp_rust::{Client, Jid};

use super::cipher::{Damaged, Decryptor};
use super::{address, media_type};
use crate::engine::whatsapp::http::Web;
use crate::engine::{MediaError, MediaSink, RemoteMedia, RemoteMessage};

impl From<Damaged> for MediaError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged.to_string())
    }
}

/// Fetches, decrypts and checks a file. Answers the SHA-256 of its bytes; until then none of what went into `sink` is to be trusted.
pub(in crate::engine::whatsapp) async fn download(
    client: &Client,
    web: &Web,
    remote: &RemoteMedia,
    sink: &mut dyn MediaSink,
) -> Result<Vec<u8>, MediaError> {
    let answer = open(client, web, remote).await?;
    receive(answer, remote, sink).await
}

/// Asks the hosts one after the other for the file.
async fn open(client: &Client, web: &Web, remote: &RemoteMedia) -> Result<reqwest::Response, MediaError> {
    let http = web.files()?;
    let kind = media_type(remote.kind).ok_or(Damaged("its kind is unknown"))?;
    let token = if remote.media_key.is_empty() {
        &remote.sha256
    } else {
        &remote.encrypted_sha256
    };
    let token = URL_SAFE_NO_PAD.encode(token);
    let mut outcome = MediaError::Failed("WhatsApp names no media servers".to_owned());
    // An authorization may have run out without our knowing: then once more with a fresh one.
    for fresh in [false, true] {
        let route = client
            .refresh_media_conn(fresh)
            .await
            .map_err(|_| MediaError::NotConnected)?;
        for host in &route.hosts {
            let query = [
                ("hash", token.as_str()),
                ("mms-type", kind.mms_type()),
                ("auth", route.auth.as_str()),
            ];
            let url = address(&host.hostname, &remote.direct_path, &query).ok_or(Damaged("its place is unusable"))?;
            outcome = match http.get(url).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => match answer.status().as_u16() {
                    404 | 410 => return Err(MediaError::Gone),
                    401 | 403 => MediaError::Gone,
                    status => MediaError::Failed(format!("a media server answered {status}")),
                },
                Err(error) => MediaError::Failed(format!("a media server cannot be reached: {}", error.without_url())),
            };
        }
        if !matches!(outcome, MediaError::Gone) {
            break;
        }
    }
    Err(outcome)
}

async fn receive(
    mut answer: reqwest::Response,
    remote: &RemoteMedia,
    sink: &mut dyn MediaSink,
) -> Result<Vec<u8>, MediaError> {
    let kind = media_type(remote.kind).ok_or(Damaged("its kind is unknown"))?;
    let mut decryptor = Decryptor::new(&remote.media_key, kind)?;
    let mut plain = Vec::new();
    loop {
        let piece = answer.chunk().await;
        let piece =
            piece.map_err(|error| MediaError::Failed(format!("a download broke off: {}", error.without_url())))?;
        let Some(piece) = piece else { break };
        decryptor.update(&piece, &mut plain);
        sink.write(&plain).await?;
        plain.clear();
    }
    let hash = decryptor.finish(&remote.encrypted_sha256, &remote.sha256, &mut plain)?;
    sink.write(&plain).await?;
    Ok(hash)
}

/// Asks the phone to upload the file again. Answers its new path.
pub(in crate::engine::whatsapp) async fn request_again(
    client: &Client,
    remote: &RemoteMedia,
    message: &RemoteMessage,
) -> Result<String, MediaError> {
    let jid = |text: &str| text.parse::<Jid>().map_err(|_| MediaError::Gone);
    let chat = jid(&message.chat)?;
    let participant = message.participant.as_deref().map(jid).transpose()?;
    let request = whatsapp_rust::MediaReuploadRequest {
        msg_id: &message.wa_message_id,
        chat_jid: &chat,
        media_key: &remote.media_key,
        is_from_me: message.from_me,
        participant: participant.as_ref(),
    };
    match client.media_reupload().request(&request).await {
        Ok(MediaRetryResult::Success { direct_path }) => Ok(direct_path),
        Ok(_) => Err(MediaError::Gone),
        Err(whatsapp_rust::MediaReuploadError::Client(_) | whatsapp_rust::MediaReuploadError::NotLoggedIn) => {
            Err(MediaError::NotConnected)
        }
        Err(whatsapp_rust::MediaReuploadError::Timeout) => {
            Err(MediaError::Failed("the phone did not answer".to_owned()))
        }
        Err(error) => Err(MediaError::Damaged(error.to_string())),
    }
}
