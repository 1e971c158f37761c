//! The words of privacy settings, ours and the library's.

use shared::operation::profile::{PrivacyCategory, PrivacyValue};
use wacore::iq::privacy as library;

pub(in super::super) fn category(category: PrivacyCategory) -> library::PrivacyCategory {
    match category {
        PrivacyCategory::LastSeen => library::PrivacyCategory::Last,
        PrivacyCategory::Online => library::PrivacyCategory::Online,
        PrivacyCategory::Picture => library::PrivacyCategory::Profile,
        PrivacyCategory::About => library::PrivacyCategory::Status,
        PrivacyCategory::GroupAdd => library::PrivacyCategory::GroupAdd,
        PrivacyCategory::ReadReceipts => library::PrivacyCategory::ReadReceipts,
        PrivacyCategory::CallAdd => library::PrivacyCategory::CallAdd,
        PrivacyCategory::Messages => library::PrivacyCategory::Messages,
        PrivacyCategory::Defense => library::PrivacyCategory::DefenseMode,
    }
}

pub(in super::super) fn value(value: PrivacyValue) -> library::PrivacyValue {
    match value {
        PrivacyValue::All => library::PrivacyValue::All,
        PrivacyValue::Contacts => library::PrivacyValue::Contacts,
        PrivacyValue::ContactBlacklist => library::PrivacyValue::ContactBlacklist,
        PrivacyValue::None => library::PrivacyValue::None,
        PrivacyValue::MatchLastSeen => library::PrivacyValue::MatchLastSeen,
        PrivacyValue::Known => library::PrivacyValue::Known,
        PrivacyValue::Off => library::PrivacyValue::Off,
        PrivacyValue::OnStandard => library::PrivacyValue::OnStandard,
    }
}

/// Our word for a category; WhatsApp's own where this version has none.
pub(super) fn word_of_category(theirs: &library::PrivacyCategory) -> &str {
    PrivacyCategory::ALL
        .iter()
        .find(|ours| category(**ours) == *theirs)
        .map_or_else(|| theirs.as_str(), |ours| ours.as_str())
}

/// Our word for a value, likewise.
pub(super) fn word_of_value(theirs: &library::PrivacyValue) -> &str {
    PrivacyValue::ALL
        .iter()
        .find(|ours| value(**ours) == *theirs)
        .map_or_else(|| theirs.as_str(), |ours| ours.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_takes_what_the_library_takes_and_nothing_else() {
        for ours in PrivacyCategory::ALL {
            for word in PrivacyValue::ALL {
                let theirs = category(*ours).is_valid_value(&value(*word));
                assert_eq!(ours.values().contains(word), theirs, "{ours}: {word}");
            }
        }
    }

    #[test]
    fn what_this_version_does_not_know_keeps_whatsapps_word() {
        assert_eq!(word_of_category(&library::PrivacyCategory::Last), "last_seen");
        assert_eq!(
            word_of_category(&library::PrivacyCategory::Other("stickers".into())),
            "stickers"
        );
        assert_eq!(
            word_of_value(&library::PrivacyValue::Other("friends".into())),
            "friends"
        );
    }
}
