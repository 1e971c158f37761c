//! Finding accounts by number, by LID and by push name, and creating them.
//!
//! Numbers and LIDs are given in the order of creation, so the same calls give the same people.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use wacore_binary::Jid;

use super::account::Account;
use super::identifier::{Lid, Number, Spelling};
use crate::keys::Seed;

/// Automatic numbers follow this one.
const NUMBERS_AFTER: u64 = 15_550_001_000;
/// LIDs follow this one.
const LIDS_AFTER: u64 = 100_000_000_001_000;

/// All accounts of the network.
#[derive(Default)]
pub struct Directory {
    index: RwLock<Index>,
}

#[derive(Default)]
struct Index {
    by_number: HashMap<Number, Arc<Account>>,
    by_lid: HashMap<Lid, Arc<Account>>,
    by_name: HashMap<String, Number>,
    created: u64,
}

/// What an account begins with.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// The number, or the next automatic one.
    pub number: Option<Number>,
    /// The push name, or one made of the number.
    pub name: Option<String>,
    /// True for an account whose phone takes no part.
    pub without_phone: bool,
}

impl Directory {
    /// The account with this number.
    pub fn by_number(&self, number: Number) -> Option<Arc<Account>> {
        self.index.read().by_number.get(&number).cloned()
    }

    /// The account with this address in either spelling.
    pub fn find(&self, jid: &Jid) -> Option<Arc<Account>> {
        match Spelling::of(jid)? {
            Spelling::Number => self.by_number(Number::parse(&jid.user)?),
            Spelling::Lid => {
                let lid = Lid::parse(&jid.user)?;
                self.index.read().by_lid.get(&lid).cloned()
            }
        }
    }

    /// The account with this number, created if it does not exist.
    pub fn get_or_create(&self, seed: &Seed, new: NewAccount) -> Arc<Account> {
        let mut index = self.index.write();
        index.get_or_create(seed, new)
    }

    /// The account that belongs to a push name: the same name always means the same person.
    pub fn get_or_create_named(&self, seed: &Seed, name: &str) -> Arc<Account> {
        let mut index = self.index.write();
        let number = index.by_name.get(name).copied();
        let account = index.get_or_create(
            seed,
            NewAccount {
                number,
                name: Some(name.to_owned()),
                without_phone: false,
            },
        );
        index.by_name.insert(name.to_owned(), account.number);
        account
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.index.read().by_number.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All accounts, in no particular order.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.index.read().by_number.values().cloned().collect()
    }
}

impl Index {
    fn get_or_create(&mut self, seed: &Seed, new: NewAccount) -> Arc<Account> {
        if let Some(existing) = new.number.and_then(|number| self.by_number.get(&number)) {
            return Arc::clone(existing);
        }
        let number = new.number.unwrap_or_else(|| self.next_number());
        let lid = Lid::from_value(LIDS_AFTER + self.created + 1);
        self.created += 1;
        let name = new.name.unwrap_or_else(|| format!("Person {number}"));
        let account = Arc::new(Account::new(seed, number, lid, name, !new.without_phone));
        self.by_number.insert(number, Arc::clone(&account));
        self.by_lid.insert(lid, Arc::clone(&account));
        account
    }

    /// The automatic number of the account that is created next; numbers that callers chose are stepped over.
    fn next_number(&self) -> Number {
        let mut value = NUMBERS_AFTER + self.created + 1;
        while self.by_number.contains_key(&Number::from_value(value)) {
            value += 1;
        }
        Number::from_value(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_calls_give_the_same_people() {
        let seed = Seed::new("directory");
        let (first, second) = (Directory::default(), Directory::default());
        for directory in [&first, &second] {
            directory.get_or_create(&seed, NewAccount::default());
            directory.get_or_create(
                &seed,
                NewAccount {
                    number: Number::parse("4915112345678"),
                    ..Default::default()
                },
            );
        }
        let number = Number::parse("15550001001").unwrap();
        let account = first.by_number(number).unwrap();
        assert_eq!(account.lid.to_string(), "100000000001001");
        let again = second.by_number(number).unwrap();
        assert_eq!(
            account.identity.private_key.serialize(),
            again.identity.private_key.serialize()
        );
    }

    #[test]
    fn an_account_is_found_by_both_spellings_and_by_any_device() {
        let directory = Directory::default();
        let account = directory.get_or_create(&Seed::new("directory"), NewAccount::default());
        for jid in [
            account.jid(Spelling::Number, 0),
            account.jid(Spelling::Number, 7),
            account.jid(Spelling::Lid, 3),
        ] {
            assert_eq!(directory.find(&jid).unwrap().number, account.number, "{jid}");
        }
        assert!(directory.find(&Jid::pn("999999")).is_none());
        assert!(directory.find(&Jid::group("15550001001")).is_none());
    }

    #[test]
    fn creating_an_existing_number_changes_nothing() {
        let directory = Directory::default();
        let seed = Seed::new("directory");
        let account = directory.get_or_create(&seed, NewAccount::default());
        let again = directory.get_or_create(
            &seed,
            NewAccount {
                number: Some(account.number),
                name: Some("other".into()),
                without_phone: true,
            },
        );
        assert!(Arc::ptr_eq(&account, &again));
        assert_eq!(directory.len(), 1);
    }

    #[test]
    fn a_name_means_one_person() {
        let directory = Directory::default();
        let seed = Seed::new("directory");
        let first = directory.get_or_create_named(&seed, "Ada");
        let second = directory.get_or_create_named(&seed, "Grace");
        assert_ne!(first.number, second.number);
        assert_eq!(directory.get_or_create_named(&seed, "Ada").number, first.number);
    }
}
