//! Decrypting a file piece by piece. Encrypting is the library's (`MediaEncryptor`), which has no counterpart for this direction.

use aes::Aes256;
use aes::cipher::{Block, BlockCipherDecrypt as _, KeyInit as _};
use wacore::download::{DownloadUtils, MediaType};
use wacore::libsignal::crypto::{CryptographicHash, CryptographicMac};

const BLOCK: usize = 16;
/// How much of the HMAC stands at the end.
const MAC: usize = 10;

/// What came is not what was sent, or not in the form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is damaged: {0}")]
pub(super) struct Damaged(pub(super) &'static str);

/// Decrypts one file. What it gives out is trustworthy only once [`Decryptor::finish`] has answered.
pub(super) struct Decryptor {
    /// `None`: the file is not encrypted (newsletters).
    keys: Option<Keys>,
    /// What may still turn out to be the end: the last block and the authentication code.
    tail: Vec<u8>,
    encrypted: CryptographicHash,
    plain: CryptographicHash,
}

struct Keys {
    cipher: Aes256,
    authentication: CryptographicMac,
    previous: [u8; BLOCK],
}

impl Decryptor {
    /// For a file with this key; an empty key means that the file is not encrypted.
    pub(super) fn new(media_key: &[u8], media_type: MediaType) -> Result<Self, Damaged> {
        let unusable = Damaged("its key is unusable");
        let hash = || CryptographicHash::new("SHA-256").map_err(|_| unusable);
        let keys = if media_key.is_empty() {
            None
        } else {
            let (iv, cipher, mac) = DownloadUtils::get_media_keys(media_key, media_type).map_err(|_| unusable)?;
            let mut authentication = CryptographicMac::new("HmacSha256", &mac).map_err(|_| unusable)?;
            authentication.update(&iv);
            Some(Keys {
                cipher: Aes256::new_from_slice(&cipher).map_err(|_| unusable)?,
                authentication,
                previous: iv,
            })
        };
        Ok(Self {
            keys,
            tail: Vec::new(),
            encrypted: hash()?,
            plain: hash()?,
        })
    }

    /// Takes a piece and appends to `out` what can be decrypted of it.
    pub(super) fn update(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        self.encrypted.update(piece);
        match &mut self.keys {
            None => out.extend_from_slice(piece),
            Some(keys) => {
                self.tail.extend_from_slice(piece);
                let ready = self.tail.len().saturating_sub(BLOCK + MAC) / BLOCK * BLOCK;
                keys.authentication.update(&self.tail[..ready]);
                keys.decrypt(&self.tail[..ready], out);
                self.tail.drain(..ready);
            }
        }
        self.plain.update(&out[start..]);
    }

    /// Appends the rest to `out`, after the authentication code and the hashes that are known (not empty) were compared. Answers the SHA-256 of the
    /// file.
    pub(super) fn finish(mut self, encrypted: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Result<Vec<u8>, Damaged> {
        let start = out.len();
        if let Some(mut keys) = self.keys {
            let Some(length) = self
                .tail
                .len()
                .checked_sub(MAC)
                .filter(|length| *length >= BLOCK && length % BLOCK == 0)
            else {
                return Err(Damaged("its length is impossible"));
            };
            let (last, code) = self.tail.split_at(length);
            keys.authentication.update(last);
            if !same(&keys.authentication.finalize()[..MAC], code) {
                return Err(Damaged("its authentication code is wrong"));
            }
            keys.decrypt(last, out);
            let padding = usize::from(out.last().copied().unwrap_or_default());
            let end = out
                .len()
                .checked_sub(padding)
                .filter(|end| (1..=BLOCK).contains(&padding) && *end >= start);
            let Some(end) = end else {
                return Err(Damaged("its padding is wrong"));
            };
            out.truncate(end);
        }
        self.plain.update(&out[start..]);
        if !encrypted.is_empty() && self.encrypted.finalize() != encrypted {
            return Err(Damaged("its encrypted form has another SHA-256"));
        }
        let hash = self.plain.finalize();
        if !plain.is_empty() && hash != plain {
            return Err(Damaged("it has another SHA-256"));
        }
        Ok(hash)
    }
}

impl Keys {
    /// Decrypts whole blocks.
    fn decrypt(&mut self, blocks: &[u8], out: &mut Vec<u8>) {
        for encrypted in blocks.chunks_exact(BLOCK) {
            let Ok(encrypted) = <[u8; BLOCK]>::try_from(encrypted) else {
                continue;
            };
            let mut block: Block<Aes256> = encrypted.into();
            self.cipher.decrypt_block(&mut block);
            out.extend(block.iter().zip(self.previous).map(|(byte, previous)| byte ^ previous));
            self.previous = encrypted;
        }
    }
}

/// Compares without telling by its duration where the first difference is.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0, |seen, (left, right)| seen | (left ^ right))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore::upload::encrypt_media;

    fn decrypt(bytes: &[u8], key: &[u8], pieces: usize, plain: &[u8]) -> Result<Vec<u8>, Damaged> {
        let mut decryptor = Decryptor::new(key, MediaType::Document)?;
        let mut out = Vec::new();
        for piece in bytes.chunks(pieces) {
            decryptor.update(piece, &mut out);
        }
        decryptor.finish(&[], plain, &mut out)?;
        Ok(out)
    }

    #[test]
    fn what_the_library_encrypts_is_decrypted_whatever_the_pieces() {
        for length in [0, 1, 15, 16, 17, 31, 32, 1_000, 70_000] {
            let file: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let encrypted = encrypt_media(&file, MediaType::Document).unwrap();
            for pieces in [1, 7, 16, 26, 4_096, 100_000] {
                let read = decrypt(
                    &encrypted.data_to_upload,
                    &encrypted.media_key,
                    pieces,
                    &encrypted.file_sha256,
                );
                assert_eq!(
                    read.as_deref(),
                    Ok(file.as_slice()),
                    "{length} bytes in pieces of {pieces}"
                );
            }
        }
    }

    #[test]
    fn a_changed_cut_or_exchanged_file_is_refused() {
        let encrypted = encrypt_media(&[7; 1_000], MediaType::Document).unwrap();
        let (bytes, key) = (&encrypted.data_to_upload, &encrypted.media_key);
        for place in [0, 500, bytes.len() - 11, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(decrypt(&changed, key, 64, &[]).is_err(), "byte {place}");
        }
        for length in [0, 9, 10, 25, 26, bytes.len() - 16, bytes.len() - 1] {
            assert!(decrypt(&bytes[..length], key, 64, &[]).is_err(), "cut after {length}");
        }
        assert!(decrypt(bytes, &[1; 32], 64, &[]).is_err(), "another key");
        assert_eq!(
            decrypt(bytes, key, 64, &[0; 32]),
            Err(Damaged("it has another SHA-256")),
            "a valid file that is not the one in the message"
        );
    }

    #[test]
    fn a_file_without_a_key_is_taken_as_it_is() {
        let mut decryptor = Decryptor::new(&[], MediaType::Image).unwrap();
        let mut out = Vec::new();
        decryptor.update(b"plain", &mut out);
        decryptor.finish(&[], &[], &mut out).unwrap();
        assert_eq!(out, b"plain");
    }
}
