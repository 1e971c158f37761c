//! Privacy settings: their words, ours and the library's; and the lists of exceptions, which the library can write but not read.

use shared::operation::profile::{PrivacyCategory, PrivacyValue};
use wacore::iq::privacy as library;
use wacore::iq::spec::IqSpec;
use wacore::request::InfoQuery;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{NodeContent, NodeRef};
use whatsapp_rust::{Jid, Server};

/// Asks for the people whom a category's value `contact_blacklist` leaves out. The question is a `<list>` in place of no child at all, the answer the
/// same with its `<user>`s (the counterpart of `SetPrivacySettingSpec` in wacore/src/iq/privacy.rs).
pub(in super::super) struct ExceptionsOf(pub(in super::super) library::PrivacyCategory);

/// A category's exceptions.
#[derive(Debug, Default)]
pub(in super::super) struct Exceptions {
    /// What tells this list from another one.
    pub(in super::super) hash: Option<String>,
    /// Who.
    pub(in super::super) people: Vec<Jid>,
}

impl IqSpec for ExceptionsOf {
    type Response = Exceptions;

    fn build_iq(&self) -> InfoQuery<'static> {
        let list = NodeBuilder::new("list")
            .attr("name", self.0.as_str())
            .attr("value", library::PrivacyValue::ContactBlacklist.as_str())
            .build();
        let privacy = NodeBuilder::new("privacy")
            .attr("addressing_mode", "lid")
            .children([list])
            .build();
        InfoQuery::get(
            library::PRIVACY_NAMESPACE,
            Jid::new("", Server::Pn),
            Some(NodeContent::Nodes(vec![privacy])),
        )
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> Result<Exceptions, anyhow::Error> {
        let Some(privacy) = response.get_optional_child("privacy") else {
            return Ok(Exceptions::default());
        };
        let Some(list) = privacy.get_children_by_tag("list").next() else {
            return Ok(Exceptions::default());
        };
        Ok(Exceptions {
            hash: list.attrs().optional_string("dhash").map(std::borrow::Cow::into_owned),
            people: list
                .get_children_by_tag("user")
                .filter_map(|user| user.attrs().optional_jid("jid"))
                .collect(),
        })
    }
}

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
