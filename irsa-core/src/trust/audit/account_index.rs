//! The service accounts of a cluster, kept so that those who fit a pattern are found without looking at all of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::KnownAccount;
use super::subject_pattern::{Place, places};
use crate::name::SUBJECT_PREFIX;
use crate::trust::evaluate::glob::Glob;

/// How many accounts are named as examples.
const EXAMPLES: usize = 5;
/// How many accounts are looked at one by one for all patterns of an audit together.
const LOOKS: usize = 20_000_000;

/// The accounts of one cluster.
#[derive(Debug)]
pub(in crate::trust) struct AccountIndex<'a> {
    /// By namespace, then name.
    by_place: Vec<&'a KnownAccount>,
    /// By name, then namespace.
    by_name: Vec<&'a KnownAccount>,
    by_role: HashMap<&'a str, Vec<&'a KnownAccount>>,
    known: RefCell<HashMap<String, Rc<Fitting>>>,
    looks: Cell<usize>,
}

/// The accounts that fit a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::trust) struct Fitting {
    pub(in crate::trust) count: usize,
    /// Whether all were counted; otherwise there are at least so many.
    pub(in crate::trust) complete: bool,
    /// The first few, `NAMESPACE/NAME`.
    pub(in crate::trust) examples: Vec<String>,
}

impl Fitting {
    /// "3 service accounts fit today: a/b, c/d, e/f".
    pub(in crate::trust) fn shown(&self) -> String {
        let least = if self.complete { "" } else { "at least " };
        match self.count {
            0 if self.complete => "no service account fits today".to_owned(),
            1 if self.complete => format!("1 service account fits today: {}", self.examples.join(", ")),
            count => {
                let more = if count > self.examples.len() { ", ..." } else { "" };
                format!("{least}{count} service accounts fit today: {}{more}", self.examples.join(", "))
            }
        }
    }
}

impl<'a> AccountIndex<'a> {
    pub(in crate::trust) fn new(accounts: &'a [KnownAccount]) -> Self {
        let mut by_place: Vec<&KnownAccount> = accounts.iter().collect();
        by_place.sort_unstable_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let mut by_name = by_place.clone();
        by_name.sort_by(|a, b| a.name.cmp(&b.name));
        let mut by_role: HashMap<&str, Vec<&KnownAccount>> = HashMap::new();
        for account in &by_place {
            if let Some(role) = &account.role_arn {
                by_role.entry(role).or_default().push(account);
            }
        }
        Self { by_place, by_name, by_role, known: RefCell::default(), looks: Cell::new(LOOKS) }
    }

    /// Whether a service account exists.
    pub(in crate::trust) fn has(&self, namespace: &str, name: &str) -> bool {
        let wanted = (namespace, name);
        self.by_place.binary_search_by(|known| (known.namespace.as_str(), known.name.as_str()).cmp(&wanted)).is_ok()
    }

    /// The accounts whose annotation names a role, in the order of their names.
    pub(in crate::trust) fn annotated(&self, role: &str) -> &[&'a KnownAccount] {
        self.by_role.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    /// Every account whose `sub` fits a pattern and none of some others, in the order of their names.
    pub(in crate::trust) fn all(&self, pattern: &str, except: &[String]) -> Vec<&'a KnownAccount> {
        let mut all = Vec::new();
        self.each(pattern, except, false, |account| all.push(account));
        all.sort_unstable_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        all
    }

    /// How many accounts fit, and which for example; remembered, since many roles have the same pattern.
    pub(in crate::trust) fn fitting(&self, pattern: &str, except: &[String]) -> Rc<Fitting> {
        let key = [pattern, &except.join("\n")].join("\n");
        if let Some(known) = self.known.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut fitting = Fitting { complete: true, ..Fitting::default() };
        fitting.complete = self.each(pattern, except, true, |account| {
            fitting.count += 1;
            if fitting.examples.len() < EXAMPLES {
                fitting.examples.push(format!("{}/{}", account.namespace, account.name));
            }
        });
        let fitting = Rc::new(fitting);
        self.known.borrow_mut().insert(key, Rc::clone(&fitting));
        fitting
    }

    /// Calls for each account that fits; whether all were looked at.
    fn each(&self, pattern: &str, except: &[String], bounded: bool, mut found: impl FnMut(&'a KnownAccount)) -> bool {
        let places = places(pattern, &[]);
        let except: Vec<Glob> = except.iter().map(|pattern| Glob::wild(pattern)).collect();
        let tests: Vec<(Glob, Glob)> =
            places.iter().map(|place| (Glob::wild(&place.namespace), Glob::wild(&place.name))).collect();
        for (at, place) in places.iter().enumerate() {
            for account in self.near(place) {
                if bounded {
                    let Some(left) = self.looks.get().checked_sub(1) else { return false };
                    self.looks.set(left);
                }
                let fits = |(namespace, name): &(Glob, Glob)| {
                    namespace.matches(&account.namespace) && name.matches(&account.name)
                };
                let taken = tests[..at].iter().any(fits);
                if !taken && tests.get(at).is_some_and(fits) && !is_excepted(account, &except) {
                    found(account);
                }
            }
        }
        true
    }

    /// The accounts that may be in a place: a stretch of one of the two orders.
    fn near(&self, place: &Place) -> &[&'a KnownAccount] {
        let (namespace, whole_namespace) = head(&place.namespace);
        let (name, whole_name) = head(&place.name);
        let range = |list: &[&KnownAccount], at: &dyn Fn(&KnownAccount) -> std::cmp::Ordering| -> Range<usize> {
            let start = list.partition_point(|account| at(account).is_lt());
            start..start + list[start..].partition_point(|account| at(account).is_eq())
        };
        if whole_namespace {
            let of_namespace =
                &self.by_place[range(&self.by_place, &|account| account.namespace.as_str().cmp(namespace))];
            return &of_namespace[range(of_namespace, &|account| begins(&account.name, name, whole_name))];
        }
        if whole_name || (namespace.is_empty() && !name.is_empty()) {
            return &self.by_name[range(&self.by_name, &|account| begins(&account.name, name, whole_name))];
        }
        &self.by_place[range(&self.by_place, &|account| begins(&account.namespace, namespace, false))]
    }
}

/// What a pattern begins with, and whether that is all of it.
fn head(pattern: &str) -> (&str, bool) {
    match pattern.find(['*', '?']) {
        Some(at) => (&pattern[..at], false),
        None => (pattern, true),
    }
}

/// Where a text stands to those that begin with a head, or are it.
fn begins(text: &str, head: &str, whole: bool) -> std::cmp::Ordering {
    if !whole && text.starts_with(head) { std::cmp::Ordering::Equal } else { text.cmp(head) }
}

fn is_excepted(account: &KnownAccount, except: &[Glob]) -> bool {
    if except.is_empty() {
        return false;
    }
    let sub = format!("{SUBJECT_PREFIX}{}:{}", account.namespace, account.name);
    except.iter().any(|glob| glob.matches(&sub))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account(place: &str) -> KnownAccount {
        let (namespace, name) = place.split_once('/').unwrap();
        KnownAccount { namespace: namespace.to_owned(), name: name.to_owned(), role_arn: None }
    }

    #[test]
    fn accounts_are_found_by_place_and_by_role() {
        let mut accounts = vec![account("b/y"), account("a/x"), account("a/z")];
        accounts[0].role_arn = Some("r".to_owned());
        let index = AccountIndex::new(&accounts);
        assert!(index.has("a", "x") && !index.has("a", "y") && !index.has("b", "x"));
        assert_eq!(index.annotated("r"), [&accounts[0]]);
        assert!(index.annotated("other").is_empty());
    }

    #[test]
    fn few_are_named_and_all_are_counted() {
        let accounts: Vec<KnownAccount> = (0..7).map(|n| account(&format!("ns/a{n}"))).collect();
        let index = AccountIndex::new(&accounts);
        let fitting = index.fitting("system:serviceaccount:ns:*", &["*a6".to_owned()]);
        assert_eq!((fitting.count, fitting.complete, fitting.examples.len()), (6, true, 5));
        assert_eq!(fitting.shown(), "6 service accounts fit today: ns/a0, ns/a1, ns/a2, ns/a3, ns/a4, ...");
        assert_eq!(index.fitting("system:serviceaccount:ns:a1*", &[]).shown(), "1 service account fits today: ns/a1");
        assert_eq!(index.fitting("repo:x", &[]).shown(), "no service account fits today");
        index.looks.set(2);
        assert_eq!(
            index.fitting("system:serviceaccount:*", &[]).shown(),
            "at least 2 service accounts fit today: ns/a0, ns/a1"
        );
    }

    proptest! {
        #[test]
        fn the_index_finds_whom_a_look_at_all_finds(
            all in proptest::collection::btree_set("[ab]{1,2}/[ab]{1,3}", 0..12), namespace in "[ab*?]{1,3}", name in "[ab*?:]{0,4}", except in "[ab*]{0,2}"
        ) {
            let accounts: Vec<KnownAccount> = all.iter().rev().map(|place| account(place)).collect();
            let index = AccountIndex::new(&accounts);
            let pattern = format!("{SUBJECT_PREFIX}{namespace}:{name}");
            let except = [format!("*{except}")];
            let fits = |pattern: &str, sub: &str| wildmatch::WildMatch::new(pattern).matches(sub);
            let expected: Vec<&KnownAccount> = accounts.iter().rev().filter(|known| {
                let sub = format!("{SUBJECT_PREFIX}{}:{}", known.namespace, known.name);
                fits(&pattern, &sub) && !fits(&except[0], &sub)
            }).collect();
            prop_assert_eq!(index.fitting(&pattern, &except).count, expected.len());
            prop_assert_eq!(index.all(&pattern, &except), expected);
        }
    }
}
