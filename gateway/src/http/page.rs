//! Lists: a limit, an opaque cursor, and the page that is answered. Keyset paging only: a cursor holds the place of the last item seen.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use shared::store::events::EventPosition;
use uuid::Uuid;

/// The longest page.
pub const LONGEST: u8 = 100;

/// How many items a page has at most: 1 to 100, 50 if not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u8);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl Limit {
    /// How many rows to read: one more than the page has, to see whether there is a next one.
    #[must_use]
    pub fn rows(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = u64::deserialize(deserializer)?;
        match u8::try_from(limit) {
            Ok(limit @ 1..=LONGEST) => Ok(Self(limit)),
            _ => Err(D::Error::custom(format!("must be 1 to {LONGEST}"))),
        }
    }
}

/// A place in a list.
pub trait Place: Sized {
    /// The place's bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// Reads the bytes; `None` when they are no such place.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Place for Uuid {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

impl Place for EventPosition {
    fn to_bytes(&self) -> Vec<u8> {
        [self.position.to_be_bytes().as_slice(), self.event.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (position, event) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            position: i64::from_be_bytes(*position),
            event: Uuid::from_slice(event).ok()?,
        })
    }
}

/// A place by time, then by id. The time has the database's precision, microseconds.
impl Place for (DateTime<Utc>, Uuid) {
    fn to_bytes(&self) -> Vec<u8> {
        [self.0.timestamp_micros().to_be_bytes().as_slice(), self.1.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        // What lies before 1970 or after 9999 was not made by us.
        let time = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))
            .filter(|time| (0..253_402_300_800).contains(&time.timestamp()))?;
        Some((time, Uuid::from_slice(id).ok()?))
    }
}

/// A place as clients see it: opaque, safe in a URL and in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<P>(pub P);

impl<P: Place> Cursor<P> {
    /// The text that clients hand back.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.to_bytes())
    }

    /// Reads what a client handed back.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        P::from_bytes(&bytes).map(Self)
    }
}

impl<'de, P: Place> Deserialize<'de> for Cursor<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text).ok_or_else(|| D::Error::custom("is not a cursor of this list"))
    }
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The page from what was read with [`Limit::rows`]: a row too many says that there is a next page.
    #[must_use]
    pub fn new<R, P: Place>(mut rows: Vec<R>, limit: Limit, place: impl Fn(&R) -> P, convert: impl Fn(R) -> T) -> Self {
        let more = rows.len() > usize::from(limit.0);
        rows.truncate(usize::from(limit.0));
        let next_cursor = rows.last().filter(|_| more).map(|last| Cursor(place(last)).encode());
        Self {
            data: rows.into_iter().map(convert).collect(),
            next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_refused() {
        let id = Uuid::now_v7();
        assert_eq!(Cursor::<Uuid>::decode(&Cursor(id).encode()), Some(Cursor(id)));
        let position = EventPosition {
            position: 4_711,
            event: id,
        };
        let text = Cursor(position).encode();
        assert_eq!(Cursor::<EventPosition>::decode(&text), Some(Cursor(position)));
        assert_eq!(Cursor::<Uuid>::decode(&text), None, "another list's cursor");
        let place = (DateTime::from_timestamp(1_795_167_000, 123_000).unwrap(), id);
        assert_eq!(Cursor::decode(&Cursor(place).encode()), Some(Cursor(place)));
        for nonsense in ["", "abc", "====", "ä", &"A".repeat(400)] {
            assert!(Cursor::<Uuid>::decode(nonsense).is_none(), "{nonsense}");
            assert!(
                Cursor::<(DateTime<Utc>, Uuid)>::decode(nonsense).is_none(),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn a_row_too_many_makes_a_next_page() {
        let limit: Limit = serde_json::from_str("2").unwrap();
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        let page = Page::new(ids.clone(), limit, |id| *id, |id| id);
        assert_eq!(page.data, ids[..2]);
        assert_eq!(page.next_cursor, Some(Cursor(ids[1]).encode()));
        let last = Page::new(ids[..2].to_vec(), limit, |id| *id, |id| id);
        assert_eq!((last.data.len(), last.next_cursor), (2, None));
    }

    #[test]
    fn a_limit_is_one_to_a_hundred() {
        assert!(serde_json::from_str::<Limit>("1").is_ok());
        assert!(serde_json::from_str::<Limit>("100").is_ok());
        for text in ["0", "101", "-1", "1.5", "\"ten\""] {
            assert!(serde_json::from_str::<Limit>(text).is_err(), "{text}");
        }
    }
}
