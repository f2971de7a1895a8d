//! Whether what is not given decides: an answer that is unknown test by test may still be the same for every completion of
//! the request.
//!
//! The values that a key could have are told apart only as far as the tests on it do, so that a few stand for all. Where that
//! cannot be done, tests count as independent of each other: then an answer may stay unknown that is not, and never the
//! other way round.

use std::collections::{BTreeMap, BTreeSet};

use super::caller::WebIdentityCaller;
use super::condition::Test;
use super::decision::Decision;
use super::document::Statement;
use super::glob::Glob;
use super::glob_product::ways;
use super::operator::{Family, Order, Set, Truth};
use super::policy_value::{Held, Resolved, Value, held};
use super::typed_value::{Network, boolean, date, number};

/// The most completions that are tried.
const MAX_WORLDS: usize = 1 << 14;
/// The most comparisons that are spent on telling apart the numbers, dates or addresses that a key could have.
const MAX_COMPARISONS: usize = 2_000_000;
/// The most kinds of values of a key that may have several at once.
const MAX_KINDS: usize = 10;

/// What keeps a statement in doubt: all of it must hold for the statement to apply.
#[derive(Clone, Debug)]
pub(in crate::trust) struct Open<'a>(Vec<OpenTest<'a>>);

/// One thing that is not known.
#[derive(Clone, Debug)]
pub(in crate::trust) enum OpenTest<'a> {
    /// Whether `{"AWS": "*"}` covers callers with a web identity.
    AllOfAws { inverted: bool },
    /// What IAM would not store.
    Doubt { statement: &'a str, why: &'static str },
    /// A test, with its values as patterns where they are known.
    Test { test: &'a Test, given: bool, globs: Option<Vec<Glob>> },
}

impl<'a> Open<'a> {
    pub(in crate::trust) fn of(statement: &'a Statement, caller: &WebIdentityCaller, provider: &str) -> Self {
        let mut open = Vec::new();
        if statement.principal.covers(provider) == Truth::Unknown {
            open.push(OpenTest::AllOfAws { inverted: statement.principal.inverted });
        }
        if let Some(why) = statement.in_doubt {
            open.push(OpenTest::Doubt { statement: &statement.label, why });
        }
        for test in statement.tests.iter().filter(|test| test.holds(caller) == Truth::Unknown) {
            let given = held(&test.key, caller) != Held::NotGiven;
            open.push(OpenTest::Test { test, given, globs: resolved(test, caller) });
        }
        Self(open)
    }

    pub(in crate::trust) fn tests(self) -> Vec<OpenTest<'a>> {
        self.0
    }
}

/// What one test says of a caller, where that is the same for every completion.
pub(in crate::trust) fn settled(test: &Test, caller: &WebIdentityCaller) -> Truth {
    let truth = test.holds(caller);
    if truth != Truth::Unknown || held(&test.key, caller) != Held::NotGiven || !can_be_told(test) {
        return truth;
    }
    let Some(globs) = resolved(test, caller) else { return truth };
    let outcomes: BTreeSet<Vec<bool>> = rows(&[(test.clone(), globs)]).into_iter().flatten().collect();
    match outcomes.into_iter().collect::<Vec<_>>()[..] {
        [ref only] => Truth::from(only.iter().all(|holds| *holds)),
        _ => truth,
    }
}

/// The values as patterns, where no variable among them is open.
fn resolved(test: &Test, caller: &WebIdentityCaller) -> Option<Vec<Glob>> {
    let resolve = |value: &Value| match value.resolve(caller) {
        Resolved::Fully(glob) => Some(Some(glob)),
        Resolved::Never => None,
        Resolved::Within(..) => Some(None),
    };
    test.values.iter().filter_map(resolve).collect()
}

/// Decides over all completions; `allowed` where some statement allows whatever they are.
pub(in crate::trust) fn refine(allowed: bool, allows: Vec<Open<'_>>, denies: Vec<Open<'_>>) -> Decision {
    let mut space = Space::default();
    let mut place = |statements: Vec<Open<'_>>| {
        statements.into_iter().map(|open| open.0.iter().map(|test| space.place(test)).collect()).collect()
    };
    let (allows, denies): (Vec<Vec<Place>>, Vec<Vec<Place>>) = (place(allows), place(denies));
    space.fill();
    if space.size() > MAX_WORLDS {
        return Decision::Unknown;
    }
    let (mut some_allow, mut some_deny) = (false, false);
    space.each(|world| {
        let holds = |statement: &Vec<Place>| statement.iter().all(|place| world.holds(place));
        if !denies.iter().any(holds) && (allowed || allows.iter().any(holds)) {
            some_allow = true;
        } else {
            some_deny = true;
        }
        !(some_allow && some_deny)
    });
    match (some_allow, some_deny) {
        (true, false) => Decision::Allow,
        (false, true) => Decision::Deny,
        _ => Decision::Unknown,
    }
}

/// Where the outcome of a test stands in a completion.
#[derive(Clone, Debug)]
struct Place {
    group: Group,
    at: usize,
    /// Whether it is the opposite of what stands there.
    inverted: bool,
}

/// Tests whose outcomes depend on each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// All tests of a key that was not given, in lower case.
    Key(String),
    /// One thing that is true or false by itself.
    Alone(String),
}

/// All completions: for every group, the outcomes that its tests can have together.
#[derive(Debug, Default)]
struct Space {
    tests: BTreeMap<String, Vec<(Test, Vec<Glob>)>>,
    rows: BTreeMap<Group, Vec<Vec<bool>>>,
    /// Groups that turned out to be too much: their tests stand alone.
    dissolved: BTreeSet<String>,
}

struct World<'a> {
    rows: BTreeMap<&'a Group, &'a Vec<bool>>,
    dissolved: &'a BTreeSet<String>,
}

impl World<'_> {
    fn holds(&self, place: &Place) -> bool {
        let (group, at) = match &place.group {
            Group::Key(key) if self.dissolved.contains(key) => (Group::Alone(format!("{key} {}", place.at)), 0),
            group => (group.clone(), place.at),
        };
        self.rows.get(&group).and_then(|row| row.get(at)).is_some_and(|holds| *holds != place.inverted)
    }
}

impl Space {
    fn place(&mut self, open: &OpenTest<'_>) -> Place {
        let (name, inverted) = match open {
            OpenTest::AllOfAws { inverted } => ("AWS *".to_owned(), *inverted),
            OpenTest::Doubt { statement, .. } => (format!("doubt {statement}"), false),
            OpenTest::Test { test, given: false, globs: Some(globs) } if can_be_told(test) => {
                let key = test.key.to_ascii_lowercase();
                let known = self.tests.entry(key.clone()).or_default();
                let at = known.iter().position(|(known, _)| same(known, test)).unwrap_or(known.len());
                if at == known.len() {
                    known.push(((*test).clone(), globs.clone()));
                }
                return Place { group: Group::Key(key), at, inverted: false };
            }
            OpenTest::Test { test, .. } => {
                let operator = &test.operator;
                // The plain negated operator is the opposite of the plain one, also where the key is absent.
                let plain = operator.set.is_none() && !operator.if_exists && operator.family != Family::Other;
                let (negated, name) = if plain {
                    (operator.negated, format!("{:?}", operator.family))
                } else {
                    (false, operator.name.to_ascii_lowercase())
                };
                let values: Vec<&str> = test.values.iter().map(|value| value.text.as_str()).collect();
                (format!("{name} {} {values:?}", test.key.to_ascii_lowercase()), negated)
            }
        };
        let group = Group::Alone(name);
        self.rows.insert(group.clone(), vec![vec![false], vec![true]]);
        Place { group, at: 0, inverted }
    }

    fn fill(&mut self) {
        for (key, tests) in &self.tests {
            match rows(tests) {
                Some(rows) => drop(self.rows.insert(Group::Key(key.clone()), rows)),
                None => {
                    self.dissolved.insert(key.clone());
                    for at in 0..tests.len() {
                        self.rows.insert(Group::Alone(format!("{key} {at}")), vec![vec![false], vec![true]]);
                    }
                }
            }
        }
    }

    fn size(&self) -> usize {
        self.rows.values().fold(1, |size, rows| size.saturating_mul(rows.len()))
    }

    /// Visits completions until told to stop.
    fn each(&self, mut visit: impl FnMut(&World<'_>) -> bool) {
        let size = self.size();
        for number in 0..size {
            let mut left = number;
            let mut chosen = BTreeMap::new();
            for (group, rows) in &self.rows {
                if let Some(row) = rows.get(left % rows.len()) {
                    chosen.insert(group, row);
                }
                left /= rows.len();
            }
            if !visit(&World { rows: chosen, dissolved: &self.dissolved }) {
                return;
            }
        }
    }
}

fn same(one: &Test, other: &Test) -> bool {
    let plain = |test: &Test| {
        let operator = &test.operator;
        (operator.family, operator.negated, operator.if_exists, operator.set)
    };
    plain(one) == plain(other) && one.values == other.values
}

/// Whether the values of the test are of its operator's type, so that other values can be told apart by it.
fn can_be_told(test: &Test) -> bool {
    let all = |is: fn(&str) -> bool| test.values.iter().all(|value| is(&value.text));
    match test.operator.family {
        Family::Equals | Family::EqualsIgnoreCase | Family::Like | Family::Binary => true,
        Family::Numeric(_) => all(|text| number(text).is_some()),
        Family::Date(_) => all(|text| date(text).is_some()),
        Family::Bool | Family::Null => all(|text| boolean(text).is_some()),
        Family::Ip => all(|text| Network::parse(text).is_some()),
        Family::Arn | Family::Other => false,
    }
}

/// The outcomes that the tests of one key can have together; nothing when there are too many to tell.
fn rows(tests: &[(Test, Vec<Glob>)]) -> Option<Vec<Vec<bool>>> {
    let kinds = kinds(tests)?;
    let mut rows = BTreeSet::new();
    rows.insert(tests.iter().map(|(test, _)| test.of_absent() == Truth::True).collect::<Vec<bool>>());
    let outcome = |values: &[&Vec<bool>]| -> Vec<bool> {
        let of = |(at, (test, _)): (usize, &(Test, Vec<Glob>))| {
            let operator = &test.operator;
            let mut fits = values.iter().map(|kind| kind.get(at).is_some_and(|fits| *fits));
            match operator.set {
                _ if operator.family == Family::Null => test.wants_null(false) == Truth::True,
                Some(Set::All) => fits.all(|fits| fits != operator.negated),
                Some(Set::Any) => fits.any(|fits| fits != operator.negated),
                None => fits.any(|fits| fits) != operator.negated,
            }
        };
        tests.iter().enumerate().map(of).collect()
    };
    if tests.iter().any(|(test, _)| test.operator.set.is_some()) {
        if kinds.len() > MAX_KINDS {
            return None;
        }
        for choice in 1..1_usize << kinds.len() {
            let chosen: Vec<&Vec<bool>> =
                kinds.iter().enumerate().filter(|(at, _)| choice & (1 << at) != 0).map(|(_, kind)| kind).collect();
            rows.insert(outcome(&chosen));
        }
    } else {
        rows.extend(kinds.iter().map(|kind| outcome(&[kind])));
    }
    Some(rows.into_iter().collect())
}

/// The kinds of single values: which tests each fits, whatever their negation.
fn kinds(tests: &[(Test, Vec<Glob>)]) -> Option<Vec<Vec<bool>>> {
    let mut kinds: BTreeSet<Vec<bool>> = BTreeSet::from([vec![false; tests.len()]]);
    for bucket in [Bucket::Text, Bucket::Number, Bucket::Date, Bucket::Bool, Bucket::Address] {
        let places: Vec<usize> =
            (0..tests.len()).filter(|at| tests.get(*at).is_some_and(|(test, _)| bucket.holds(test))).collect();
        if places.is_empty() {
            continue;
        }
        let chosen: Vec<&(Test, Vec<Glob>)> = places.iter().filter_map(|at| tests.get(*at)).collect();
        let mut ways = bucket.ways(&chosen)?;
        if !matches!(bucket, Bucket::Text) && !tests.iter().any(|(test, _)| is_typed(&test.key)) {
            // What is of another type fits nothing; whether the negated operators then hold, AWS does not say.
            ways.insert(vec![false; chosen.len()]);
            ways.insert(chosen.iter().map(|(test, _)| test.operator.negated).collect());
        }
        let mut combined = BTreeSet::new();
        for kind in &kinds {
            for way in &ways {
                let mut kind = kind.clone();
                for (at, fits) in places.iter().zip(way) {
                    if let Some(place) = kind.get_mut(*at) {
                        *place = *fits;
                    }
                }
                combined.insert(kind);
            }
        }
        kinds = combined;
        if kinds.len() > MAX_WORLDS {
            return None;
        }
    }
    Some(kinds.into_iter().collect())
}

/// Whether AWS itself says of what type the values of a key are.
///
/// Source: IAM user guide, "AWS global condition context keys", "Data type" of each.
fn is_typed(key: &str) -> bool {
    const TYPED: [&str; 12] = [
        "aws:currenttime",
        "aws:ec2instancesourceprivateipv4",
        "aws:epochtime",
        "aws:multifactorauthage",
        "aws:multifactorauthpresent",
        "aws:principalisawsservice",
        "aws:securetransport",
        "aws:sourceip",
        "aws:tokenissuetime",
        "aws:viaawsservice",
        "aws:vpcsourceip",
        "sts:durationseconds",
    ];
    TYPED.contains(&key.to_ascii_lowercase().as_str())
}

/// Operators that compare values of one type.
#[derive(Clone, Copy, Debug)]
enum Bucket {
    Text,
    Number,
    Date,
    Bool,
    Address,
}

impl Bucket {
    fn holds(self, test: &Test) -> bool {
        matches!(
            (self, test.operator.family),
            (Self::Text, Family::Equals | Family::EqualsIgnoreCase | Family::Like | Family::Binary)
                | (Self::Number, Family::Numeric(_))
                | (Self::Date, Family::Date(_))
                | (Self::Bool, Family::Bool)
                | (Self::Address, Family::Ip)
        )
    }

    /// Every way in which a value can fit some of the tests.
    fn ways(self, tests: &[&(Test, Vec<Glob>)]) -> Option<BTreeSet<Vec<bool>>> {
        match self {
            Self::Text => {
                let globs: Vec<&Glob> = tests.iter().flat_map(|(_, globs)| globs).collect();
                let by_test = |way: &Vec<bool>| {
                    let mut left = way.iter();
                    let fits = |(_, globs): &&(Test, Vec<Glob>)| {
                        left.by_ref().take(globs.len()).fold(false, |any, fits| any | fits)
                    };
                    tests.iter().map(fits).collect()
                };
                Some(ways(&globs)?.iter().map(by_test).collect())
            }
            Self::Number => ordered(tests, number),
            Self::Date => ordered(tests, date),
            Self::Bool => {
                let fits = |actual: bool| {
                    tests
                        .iter()
                        .map(move |(test, _)| test.values.iter().any(|value| boolean(&value.text) == Some(actual)))
                        .collect()
                };
                Some([true, false].into_iter().map(fits).collect())
            }
            Self::Address => addresses(tests),
        }
    }
}

/// Numbers between, at and beyond those that the tests name stand for all numbers.
fn ordered(tests: &[&(Test, Vec<Glob>)], read: fn(&str) -> Option<f64>) -> Option<BTreeSet<Vec<bool>>> {
    let mut named: Vec<f64> =
        tests.iter().flat_map(|(test, _)| &test.values).filter_map(|value| read(&value.text)).collect();
    named.sort_by(f64::total_cmp);
    let between = named.windows(2).filter_map(|pair| Some((pair.first()? + pair.last()?) / 2.0));
    let beyond = [named.first().map(|first| first - 1.0), named.last().map(|last| last + 1.0)];
    let candidates: Vec<f64> = between.chain(beyond.into_iter().flatten()).chain(named.iter().copied()).collect();
    if candidates.len().saturating_mul(named.len()) > MAX_COMPARISONS {
        return None;
    }
    let wanted: Vec<(Option<Order>, Vec<f64>)> = tests
        .iter()
        .map(|(test, _)| {
            let order = match test.operator.family {
                Family::Numeric(order) | Family::Date(order) => Some(order),
                _ => None,
            };
            (order, test.values.iter().filter_map(|value| read(&value.text)).collect())
        })
        .collect();
    let fits = |actual: &f64| {
        let of = |(order, wanted): &(Option<Order>, Vec<f64>)| {
            order.is_some_and(|order| wanted.iter().any(|wanted| order.holds(*actual, *wanted)))
        };
        wanted.iter().map(of).collect()
    };
    Some(candidates.iter().map(fits).collect())
}

/// The first and last address of every range, and those beside it, stand for all addresses.
fn addresses(tests: &[&(Test, Vec<Glob>)]) -> Option<BTreeSet<Vec<bool>>> {
    let of_test = |test: &Test| test.values.iter().filter_map(|value| Network::parse(&value.text)).collect();
    let networks: Vec<Vec<Network>> = tests.iter().map(|(test, _)| of_test(test)).collect();
    let mut candidates = BTreeSet::from([(true, 0), (true, u128::from(u32::MAX)), (false, 0), (false, u128::MAX)]);
    for network in networks.iter().flatten() {
        let most = if network.v4 { u128::from(u32::MAX) } else { u128::MAX };
        candidates.extend([(network.v4, network.first), (network.v4, network.last)]);
        candidates.extend(network.first.checked_sub(1).map(|before| (network.v4, before)));
        candidates.extend(network.last.checked_add(1).filter(|after| *after <= most).map(|after| (network.v4, after)));
    }
    if candidates.len().saturating_mul(networks.iter().map(Vec::len).sum()) > MAX_COMPARISONS {
        return None;
    }
    let fits = |(v4, address): &(bool, u128)| {
        networks.iter().map(|networks| networks.iter().any(|network| network.has(*v4, *address))).collect()
    };
    Some(candidates.iter().map(fits).collect())
}
