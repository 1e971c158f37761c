//! Text that somebody else chose: what is in a message, and the ids that messages name.
//!
//! PostgreSQL stores no U+0000, and anybody can send one. What cannot be stored would be delivered again for ever and keep the session from everything
//! else; so the character is replaced here, once, before the text goes anywhere.

use std::borrow::Cow;

/// The text as it can be stored. Storable text stays what it is.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same, of one's own.
pub(super) fn foreign(text: &str) -> String {
    storable(text).into_owned()
}
