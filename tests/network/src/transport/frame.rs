//! Frames: three bytes of big-endian length, then that many bytes. Before the first frame a client may send routing
//! information, and always sends the four-byte greeting `WA 06 03`.
//!
//! Sources: wacore-noise src/framing.rs and src/edge_routing.rs; Baileys Utils/noise-handler.ts:79-86. A WebSocket message
//! may hold several frames or a part of one, so boundaries are found here and nowhere else.

use bytes::{Buf, BytesMut};

/// Protocol name `WA`, connection version 6, dictionary version 3 (wacore-binary src/consts.rs).
pub const GREETING: [u8; 4] = [b'W', b'A', 6, 3];

const LENGTH_BYTES: usize = 3;

/// The longest payload that three bytes can announce.
const LONGEST_PAYLOAD: usize = (1 << 24) - 1;

/// A buffer that once grew beyond this is given back after use: thousands of idle connections share the machine.
const KEPT_CAPACITY: usize = 8 * 1024;

/// What a client sent that cannot be read as frames.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The connection did not begin with the greeting.
    #[error("the connection does not begin with the WhatsApp greeting")]
    Greeting,
    /// The payload does not fit into a frame.
    #[error("a payload of {0} bytes does not fit into a frame")]
    TooLong(usize),
}

/// Collects bytes and hands out whole frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: BytesMut,
    greeted: bool,
}

impl FrameReader {
    /// Adds bytes that arrived in one WebSocket message.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete frame's payload, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// The greeting is missing; the connection cannot be continued.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        if !self.greeted && !self.take_greeting()? {
            return Ok(None);
        }
        let Some(length) = read_length(&self.bytes) else {
            return Ok(None);
        };
        if self.bytes.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.bytes.advance(LENGTH_BYTES);
        let payload = self.bytes[..length].to_vec();
        self.bytes.advance(length);
        self.give_back_capacity();
        Ok(Some(payload))
    }

    /// Consumes routing information and the greeting; false while they are incomplete.
    fn take_greeting(&mut self) -> Result<bool, FrameError> {
        if self.bytes.starts_with(b"ED") && !self.take_routing_information() {
            return Ok(false);
        }
        if self.bytes.len() < GREETING.len() {
            return Ok(false);
        }
        if self.bytes[..GREETING.len()] != GREETING {
            return Err(FrameError::Greeting);
        }
        self.bytes.advance(GREETING.len());
        self.greeted = true;
        Ok(true)
    }

    /// `"ED" 00 01`, three bytes of length, then the routing information, which is of no use here.
    fn take_routing_information(&mut self) -> bool {
        const PREFIX: usize = 4;
        let Some(length) = self.bytes.get(PREFIX..).and_then(read_length) else {
            return false;
        };
        let whole = PREFIX + LENGTH_BYTES + length;
        if self.bytes.len() < whole {
            return false;
        }
        self.bytes.advance(whole);
        true
    }

    fn give_back_capacity(&mut self) {
        if self.bytes.is_empty() {
            // An empty buffer costs an idle connection nothing.
            self.bytes = BytesMut::new();
        } else if self.bytes.len() < KEPT_CAPACITY && self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = BytesMut::from(&self.bytes[..]);
        }
    }
}

fn read_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(..LENGTH_BYTES)?;
    Some(usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]))
}

/// Puts the length in front of a payload.
///
/// # Errors
/// The payload is longer than 16 MiB − 1.
pub fn encode(payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    let too_long = || FrameError::TooLong(payload.len());
    if payload.len() > LONGEST_PAYLOAD {
        return Err(too_long());
    }
    let length = u32::try_from(payload.len()).map_err(|_| too_long())?.to_be_bytes();
    let mut frame = Vec::with_capacity(LENGTH_BYTES + payload.len());
    frame.extend_from_slice(&length[1..]);
    frame.extend_from_slice(payload);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let mut wire = GREETING.to_vec();
        wire.extend(encode(b"first").unwrap());
        wire.extend(encode(b"").unwrap());
        wire.extend(encode(&[7; 300]).unwrap());
        for cut in 0..wire.len() {
            let mut reader = FrameReader::default();
            let mut frames = Vec::new();
            for part in [&wire[..cut], &wire[cut..]] {
                reader.feed(part);
                while let Some(frame) = reader.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [b"first".to_vec(), Vec::new(), vec![7; 300]], "cut at {cut}");
        }
    }

    #[test]
    fn routing_information_before_the_greeting_is_skipped() {
        let mut wire = b"ED\x00\x01\x00\x00\x05route".to_vec();
        wire.extend(GREETING);
        wire.extend(encode(b"hello").unwrap());
        let mut reader = FrameReader::default();
        for byte in wire {
            reader.feed(&[byte]);
        }
        assert_eq!(reader.next_frame().unwrap().unwrap(), b"hello");
    }

    #[test]
    fn anything_else_than_the_greeting_is_refused() {
        let mut reader = FrameReader::default();
        reader.feed(b"GET / HTTP/1.1");
        assert_eq!(reader.next_frame(), Err(FrameError::Greeting));
    }

    #[test]
    fn a_large_frame_does_not_pin_its_buffer() {
        let mut reader = FrameReader::default();
        reader.feed(&GREETING);
        reader.feed(&encode(&[1; 100_000]).unwrap());
        reader.feed(&[0, 0]);
        assert_eq!(reader.next_frame().unwrap().unwrap().len(), 100_000);
        assert!(reader.bytes.capacity() <= KEPT_CAPACITY, "{}", reader.bytes.capacity());
    }

    #[test]
    fn a_frame_has_a_limit() {
        assert_eq!(encode(&vec![0; 1 << 24]).unwrap_err(), FrameError::TooLong(1 << 24));
    }
}
