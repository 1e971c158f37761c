//! How media files are encrypted, for the phones: AES-256-CBC and a truncated HMAC under keys that derive from a media key.
//!
//! Sources: wacore src/download.rs (`app_info`) for the derivation; Baileys Utils/messages-media.ts (`getMediaKeys`,
//! `encryptedStream`). It shares no code with the clients, because shared code hides the mistakes both share. Files are
//! handled piece by piece and are never in memory as a whole.

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, StreamingDecryptingKey, StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use hkdf::Hkdf;
use sha2::Sha256;

/// How long a media key is, in bytes.
pub const MEDIA_KEY_LENGTH: usize = 32;
/// How many bytes of the authentication code follow the ciphertext.
pub const MAC_LENGTH: usize = 10;

const BLOCK: usize = 16;
/// Initialisation vector, cipher key, authentication key, and a reference key that nobody needs.
const EXPANDED: usize = 112;

/// What a file is: it decides how keys are derived and where it is uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video, a GIF or a round video note.
    Video,
    /// Sound, voice notes included.
    Audio,
    /// Any file.
    Document,
    /// A sticker; it has the keys and the place of a picture.
    Sticker,
    /// Several stickers in one file.
    StickerPack,
    /// The large preview of a link.
    LinkThumbnail,
    /// A history that a phone hands to its companions.
    History,
    /// App state that is too large for a message.
    AppState,
}

impl MediaKind {
    /// Reads a name such as `image`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "image" => Self::Image,
            "video" | "gif" | "ptv" => Self::Video,
            "audio" | "ptt" | "voice" => Self::Audio,
            "document" => Self::Document,
            "sticker" => Self::Sticker,
            "sticker-pack" => Self::StickerPack,
            "thumbnail-link" => Self::LinkThumbnail,
            "md-msg-hist" => Self::History,
            "md-app-state" => Self::AppState,
            _ => return None,
        })
    }

    /// The name in upload paths (wacore src/download.rs, `mms_type`).
    pub fn path(self) -> &'static str {
        match self {
            Self::Image | Self::Sticker => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::StickerPack => "sticker-pack",
            Self::LinkThumbnail => "thumbnail-link",
            Self::History => "md-msg-hist",
            Self::AppState => "md-app-state",
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::Image | Self::Sticker => "WhatsApp Image Keys",
            Self::Video => "WhatsApp Video Keys",
            Self::Audio => "WhatsApp Audio Keys",
            Self::Document => "WhatsApp Document Keys",
            Self::StickerPack => "WhatsApp Sticker Pack Keys",
            Self::LinkThumbnail => "WhatsApp Link Thumbnail Keys",
            Self::History => "WhatsApp History Keys",
            Self::AppState => "WhatsApp App State Keys",
        }
    }
}

/// Why a file cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The ciphertext, its authentication code or its padding does not fit the key.
    #[error("the file is damaged, or the media key or kind is not its own")]
    Damaged,
    /// The cryptographic library refused; it does so for nothing that comes from outside.
    #[error("the cryptographic library refused")]
    Refused,
}

impl From<aws_lc_rs::error::Unspecified> for CipherError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Refused
    }
}

struct Keys {
    iv: [u8; BLOCK],
    cipher: [u8; 32],
    mac: [u8; 32],
}

impl Keys {
    fn derive(media_key: &[u8; MEDIA_KEY_LENGTH], kind: MediaKind) -> Self {
        let mut expanded = [0_u8; EXPANDED];
        Hkdf::<Sha256>::new(None, media_key)
            .expand(kind.purpose().as_bytes(), &mut expanded)
            .expect("invariant: 112 bytes are within the limit of HKDF-SHA256");
        let mut keys = Self {
            iv: [0; BLOCK],
            cipher: [0; 32],
            mac: [0; 32],
        };
        keys.iv.copy_from_slice(&expanded[..16]);
        keys.cipher.copy_from_slice(&expanded[16..48]);
        keys.mac.copy_from_slice(&expanded[48..80]);
        keys
    }

    fn mac(&self) -> hmac::Context {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, &self.mac));
        mac.update(&self.iv);
        mac
    }
}

/// What is known about a file once it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// The digest of the file.
    pub file_sha256: [u8; 32],
    /// How long the file is, in bytes.
    pub file_length: u64,
}

/// Encrypts a file piece by piece.
pub struct Encryptor {
    cipher: StreamingEncryptingKey,
    mac: hmac::Context,
    plain: digest::Context,
    length: u64,
}

impl Encryptor {
    /// An encryptor with this media key.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn new(media_key: &[u8; MEDIA_KEY_LENGTH], kind: MediaKind) -> Result<Self, CipherError> {
        let keys = Keys::derive(media_key, kind);
        let cipher = StreamingEncryptingKey::less_safe_cbc_pkcs7(
            UnboundCipherKey::new(&AES_256, &keys.cipher)?,
            EncryptionContext::Iv128((&keys.iv).into()),
        )?;
        Ok(Self {
            cipher,
            mac: keys.mac(),
            plain: digest::Context::new(&SHA256),
            length: 0,
        })
    }

    /// Encrypts the next piece; what comes out is to be written as it is.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn update(&mut self, piece: &[u8]) -> Result<Vec<u8>, CipherError> {
        self.plain.update(piece);
        self.length += piece.len() as u64;
        let mut output = vec![0; piece.len() + BLOCK];
        let written = self.cipher.update(piece, &mut output)?.written().len();
        output.truncate(written);
        self.mac.update(&output);
        Ok(output)
    }

    /// The last block and the authentication code, and what is now known about the file.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn finish(mut self) -> Result<(Vec<u8>, Encrypted), CipherError> {
        let mut output = vec![0; BLOCK];
        let (_, update) = self.cipher.finish(&mut output)?;
        let written = update.written().len();
        output.truncate(written);
        self.mac.update(&output);
        output.extend_from_slice(&self.mac.sign().as_ref()[..MAC_LENGTH]);
        let mut file_sha256 = [0; 32];
        file_sha256.copy_from_slice(self.plain.finish().as_ref());
        let encrypted = Encrypted {
            file_sha256,
            file_length: self.length,
        };
        Ok((output, encrypted))
    }
}

/// Checks a ciphertext's authentication code piece by piece. Nothing may be decrypted that was not checked.
pub struct Checker(hmac::Context);

impl Checker {
    /// A checker for this media key.
    pub fn new(media_key: &[u8; MEDIA_KEY_LENGTH], kind: MediaKind) -> Self {
        Self(Keys::derive(media_key, kind).mac())
    }

    /// The next piece of the ciphertext, without the code at its end.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Whether this is the code.
    pub fn fits(self, code: &[u8]) -> bool {
        code == &self.0.sign().as_ref()[..MAC_LENGTH]
    }
}

/// Decrypts a ciphertext piece by piece, once [`Checker`] has approved of it.
pub struct Decryptor(StreamingDecryptingKey);

impl Decryptor {
    /// A decryptor with this media key.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn new(media_key: &[u8; MEDIA_KEY_LENGTH], kind: MediaKind) -> Result<Self, CipherError> {
        let keys = Keys::derive(media_key, kind);
        Ok(Self(StreamingDecryptingKey::cbc_pkcs7(
            UnboundCipherKey::new(&AES_256, &keys.cipher)?,
            DecryptionContext::Iv128((&keys.iv).into()),
        )?))
    }

    /// Decrypts the next piece.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn update(&mut self, piece: &[u8]) -> Result<Vec<u8>, CipherError> {
        let mut output = vec![0; piece.len() + BLOCK];
        let written = self.0.update(piece, &mut output)?.written().len();
        output.truncate(written);
        Ok(output)
    }

    /// The last bytes.
    ///
    /// # Errors
    /// The padding is not one.
    pub fn finish(self) -> Result<Vec<u8>, CipherError> {
        let mut output = vec![0; BLOCK];
        let written = self
            .0
            .finish(&mut output)
            .map_err(|_| CipherError::Damaged)?
            .written()
            .len();
        output.truncate(written);
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn encrypt(file: &[u8], piece: usize) -> (Vec<u8>, Encrypted) {
        let mut encryptor = Encryptor::new(&KEY, MediaKind::Document).unwrap();
        let mut ciphertext = Vec::new();
        for piece in file.chunks(piece) {
            ciphertext.extend(encryptor.update(piece).unwrap());
        }
        let (rest, encrypted) = encryptor.finish().unwrap();
        ciphertext.extend(rest);
        (ciphertext, encrypted)
    }

    #[test]
    fn a_file_is_the_same_after_encryption_in_any_pieces() {
        for length in [0, 1, 15, 16, 17, 1_000, 4_096] {
            let file: Vec<u8> = (0..length).map(|place: u32| place.to_le_bytes()[0]).collect();
            let (whole, encrypted) = encrypt(&file, 4_096);
            assert_eq!(encrypt(&file, 7).0, whole, "{length}");
            assert_eq!(encrypted.file_length, u64::from(length));
            assert_eq!(whole.len(), (file.len() / 16 + 1) * 16 + MAC_LENGTH);

            let (ciphertext, code) = whole.split_at(whole.len() - MAC_LENGTH);
            let mut checker = Checker::new(&KEY, MediaKind::Document);
            let mut decryptor = Decryptor::new(&KEY, MediaKind::Document).unwrap();
            let mut decrypted = Vec::new();
            for piece in ciphertext.chunks(33) {
                checker.update(piece);
                decrypted.extend(decryptor.update(piece).unwrap());
            }
            decrypted.extend(decryptor.finish().unwrap());
            assert!(checker.fits(code));
            assert_eq!(decrypted, file);
        }
    }

    /// The digest of the ciphertext of a fixed key and file, from Node's own crypto module: HKDF, AES-256-CBC and HMAC as
    /// Baileys uses them (Utils/messages-media.ts).
    #[test]
    fn the_ciphertext_is_that_of_another_implementation() {
        let (ciphertext, _) = encrypt(b"hello, media", 5);
        assert_eq!(
            hex::encode(ciphertext),
            "27b1cae03105cc6453b4900221dbbd215e3c61142acc81e08509"
        );
    }

    #[test]
    fn the_code_depends_on_the_kind_and_on_every_byte() {
        let (mut whole, _) = encrypt(b"hello", 5);
        let code = whole.split_off(whole.len() - MAC_LENGTH);
        let check = |ciphertext: &[u8], kind| {
            let mut checker = Checker::new(&KEY, kind);
            checker.update(ciphertext);
            checker.fits(&code)
        };
        assert!(check(&whole, MediaKind::Document));
        assert!(!check(&whole, MediaKind::Image));
        whole[3] ^= 1;
        assert!(!check(&whole, MediaKind::Document));
    }
}
