//! Patterns of `*` and `?` over any character, and the algebra that a set of subjects needs: intersection and cover.
//!
//! Source: IAM user guide, "IAM JSON policy elements: Condition operators", `StringLike`.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::budget::Work;

/// One place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) enum Symbol {
    /// This character.
    Char(char),
    /// This character, upper or lower case; kept in lower case.
    Fold(char),
    /// `?`: any one character.
    One,
    /// `*`: any run of characters, also none.
    Many,
}

/// Stands for a run of wildcards in [`Glob::marked`]. No policy can hold it, since IAM takes no character beyond Latin-1.
pub(in crate::trust) const WILDCARD: char = '\u{E000}';

/// The most patterns that an intersection is told by.
const MAX_GLOBS: usize = 64;
/// The most steps that are spent on one intersection.
const STEPS: usize = 20_000;
/// The longest patterns together, in characters, whose intersection is looked for.
const MAX_LENGTH: usize = 1_000;
/// The most steps that are spent on a cover.
const STEPS_OF_COVER: usize = 1_000_000;

/// A pattern; one without `*` and `?` is a literal. Copies share the text: sets of subjects are made of few patterns, often.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::trust) struct Glob {
    /// Tells most patterns apart at once.
    digest: u64,
    literal: bool,
    /// Whether each character is just itself.
    pub(super) plain: bool,
    pub(super) symbols: Arc<[Symbol]>,
}

impl Hash for Glob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl Ord for Glob {
    fn cmp(&self, other: &Self) -> Ordering {
        self.symbols.cmp(&other.symbols)
    }
}

impl PartialOrd for Glob {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(in crate::trust) fn fold(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

impl Glob {
    pub(in crate::trust) fn new(symbols: Vec<Symbol>) -> Self {
        let mut glob: Vec<Symbol> = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            // `**` is `*`, and `*?` is written `?*`, so that equal patterns look alike.
            match (symbol, glob.last()) {
                (Symbol::Many, Some(Symbol::Many)) => {}
                (Symbol::One, Some(Symbol::Many)) => glob.insert(glob.len() - 1, Symbol::One),
                _ => glob.push(symbol),
            }
        }
        Self::of(glob)
    }

    /// Of symbols in their normal form.
    fn of(symbols: Vec<Symbol>) -> Self {
        let (mut digest, mut literal, mut plain) = (0xcbf2_9ce4_8422_2325_u64, true, true);
        for symbol in &symbols {
            let number = match symbol {
                Symbol::Char(c) => u64::from(*c),
                Symbol::Fold(c) => 1 << 32 | u64::from(*c),
                Symbol::One => 2 << 32,
                Symbol::Many => 3 << 32,
            };
            // FNV-1a, by symbols.
            digest = (digest ^ number).wrapping_mul(0x0100_0000_01b3);
            literal &= !matches!(symbol, Symbol::One | Symbol::Many);
            plain &= matches!(symbol, Symbol::Char(_));
        }
        Self { digest, literal, plain, symbols: symbols.into() }
    }

    /// The pattern that everything fits.
    pub(in crate::trust) fn all() -> Self {
        Self::of(vec![Symbol::Many])
    }

    fn is_all(&self) -> bool {
        *self.symbols == [Symbol::Many]
    }

    /// A text with `*` and `?`.
    pub(in crate::trust) fn wild(text: &str) -> Self {
        Self::new(
            text.chars()
                .map(|c| match c {
                    '*' => Symbol::Many,
                    '?' => Symbol::One,
                    c => Symbol::Char(c),
                })
                .collect(),
        )
    }

    /// A text that fits.
    pub(in crate::trust) fn example(&self) -> String {
        let one = |symbol: &Symbol| match symbol {
            Symbol::Char(c) | Symbol::Fold(c) => Some(*c),
            Symbol::One => Some('x'),
            Symbol::Many => None,
        };
        self.symbols.iter().filter_map(one).collect()
    }

    /// The text with [`WILDCARD`] for each run of wildcards, so that a literal `*` is not taken for one.
    pub(in crate::trust) fn marked(&self) -> String {
        let mut text = String::with_capacity(self.symbols.len());
        for symbol in &*self.symbols {
            match symbol {
                Symbol::Char(c) | Symbol::Fold(c) => text.push(*c),
                Symbol::One | Symbol::Many if text.ends_with(WILDCARD) => {}
                Symbol::One | Symbol::Many => text.push(WILDCARD),
            }
        }
        text
    }

    /// Whether it has a `*` or `?` that stands for itself.
    pub(in crate::trust) fn has_literal_wildcard(&self) -> bool {
        self.symbols.iter().any(|symbol| matches!(symbol, Symbol::Char('*' | '?') | Symbol::Fold('*' | '?')))
    }

    pub(in crate::trust) fn is_literal(&self) -> bool {
        self.literal
    }

    /// Whether a text fits.
    pub(in crate::trust) fn matches(&self, text: &str) -> bool {
        let (mut at, mut rest) = (0, text.chars());
        // Where to go on when the run of the last `*` must be longer.
        let mut again: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.symbols.get(at), rest.next()) {
                (Some(Symbol::Many), _) => {
                    again = Some((at + 1, before.clone()));
                    (at, rest) = (at + 1, before);
                }
                (Some(symbol), Some(c)) if symbol.takes(c) => at += 1,
                (None, None) => return true,
                _ => {
                    let Some((start, mut from)) = again.take() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (at, rest) = (start, from.clone());
                    again = Some((start, from));
                }
            }
        }
    }

    /// Whether an ARN fits, each of its six parts by itself; nothing for what is no ARN.
    ///
    /// Source: IAM user guide, "Amazon Resource Name (ARN) condition operators".
    pub(in crate::trust) fn matches_arn(&self, arn: &str) -> Option<bool> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let wanted: Vec<Self> =
            self.symbols.splitn(6, |symbol| *symbol == Symbol::Char(':')).map(|part| Self::of(part.to_vec())).collect();
        let is_arn = parts.first() == Some(&"arn") && parts.len() == 6 && wanted.len() == 6;
        is_arn.then(|| wanted.iter().zip(parts).all(|(wanted, part)| wanted.matches(part)))
    }

    /// Whether everything that fits the other fits this one; a yes is certain.
    pub(in crate::trust) fn covers(&self, other: &Self) -> bool {
        if self.is_all() {
            return true;
        }
        let (mine, theirs) = (&self.symbols, &other.symbols);
        // Most patterns end differently.
        if let (Some(last), Some(theirs)) = (mine.last(), theirs.last())
            && *last != Symbol::Many
            && !last.takes_all_of(*theirs)
        {
            return false;
        }
        let (mut at, mut their, mut steps) = (0, 0, 0);
        // Where to go on when the run of the last `*` must be longer.
        let mut again: Option<(usize, usize)> = None;
        loop {
            match (mine.get(at), theirs.get(their)) {
                (Some(Symbol::Many), _) => {
                    again = Some((at + 1, their));
                    at += 1;
                }
                (Some(symbol), Some(other)) if symbol.takes_all_of(*other) => (at, their) = (at + 1, their + 1),
                (None, None) => return true,
                _ => {
                    let Some((start, from)) = again.filter(|(_, from)| *from < theirs.len()) else { return false };
                    (at, their, again) = (start, from + 1, Some((start, from + 1)));
                }
            }
            steps += 1;
            if steps > STEPS_OF_COVER {
                return false;
            }
        }
    }

    /// The same as [`covers`](Self::covers), as far as there is work left.
    pub(in crate::trust) fn surely_covers(&self, other: &Self, work: &Work) -> bool {
        if work.is_spent() {
            return false;
        }
        work.spend(1);
        if self.plain {
            return self == other;
        }
        if self.literal && self.symbols.len() != other.symbols.len() {
            return false;
        }
        work.spend(self.symbols.len().max(other.symbols.len()) / 8);
        self.covers(other)
    }

    /// What fits both, as patterns; nothing when that takes too many, or there is no work left.
    pub(in crate::trust) fn intersect(&self, other: &Self, work: &Work) -> Option<Vec<Self>> {
        if work.is_spent() {
            return None;
        }
        work.spend(1);
        if self.is_all() {
            return Some(vec![other.clone()]);
        }
        if other.is_all() || (self.plain && self == other) {
            return Some(vec![self.clone()]);
        }
        if self.plain && other.plain {
            return Some(Vec::new());
        }
        // Most patterns begin differently.
        let fixed = self
            .symbols
            .iter()
            .zip(&*other.symbols)
            .take_while(|(one, two)| **one != Symbol::Many && **two != Symbol::Many);
        if fixed.into_iter().any(|(one, two)| one.meet(*two).is_none()) {
            return Some(Vec::new());
        }
        work.spend(self.symbols.len().max(other.symbols.len()) / 8);
        if self.covers(other) {
            return Some(vec![other.clone()]);
        }
        if other.covers(self) {
            return Some(vec![self.clone()]);
        }
        if self.is_literal() && other.is_literal() {
            let met = self
                .symbols
                .iter()
                .zip(&*other.symbols)
                .map(|(one, other)| one.meet(*other))
                .collect::<Option<Vec<_>>>();
            return Some(met.filter(|_| self.symbols.len() == other.symbols.len()).map(Self::of).into_iter().collect());
        }
        if self.symbols.len() + other.symbols.len() > MAX_LENGTH {
            return None;
        }
        let mut meeting = Meeting { prefix: Vec::new(), found: BTreeSet::new(), steps: STEPS };
        let met = meeting.meet(&self.symbols, &other.symbols);
        work.spend(STEPS - meeting.steps + meeting.found.len() * meeting.found.len());
        met?;
        let mut kept: Vec<Self> = Vec::new();
        for glob in meeting.found {
            if !kept.iter().any(|known| known.covers(&glob)) {
                kept.retain(|known| !glob.covers(known));
                kept.push(glob);
            }
        }
        Some(kept)
    }
}

impl Symbol {
    pub(super) fn takes(self, c: char) -> bool {
        match self {
            Self::Char(own) => own == c,
            Self::Fold(own) => own == fold(c),
            Self::One => true,
            Self::Many => false,
        }
    }

    fn takes_all_of(self, other: Self) -> bool {
        match (self, other) {
            (_, Self::Many) => false,
            (Self::One, _) => true,
            (Self::Fold(own), Self::Char(c)) => own == fold(c),
            (own, other) => own == other,
        }
    }

    /// What both take.
    fn meet(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::One, symbol) | (symbol, Self::One) => Some(symbol),
            (Self::Fold(own), Self::Char(c)) | (Self::Char(c), Self::Fold(own)) => {
                (own == fold(c)).then_some(Self::Char(c))
            }
            (own, other) => (own == other).then_some(own),
        }
    }
}

/// An intersection under way.
struct Meeting {
    prefix: Vec<Symbol>,
    found: BTreeSet<Glob>,
    steps: usize,
}

impl Meeting {
    fn meet(&mut self, a: &[Symbol], b: &[Symbol]) -> Option<()> {
        self.steps = self.steps.checked_sub(1)?;
        let (Some((first, a_rest)), Some((other, b_rest))) = (a.split_first(), b.split_first()) else {
            // What is left of the longer one must take the empty text.
            if a.iter().chain(b).all(|symbol| *symbol == Symbol::Many) {
                self.found.insert(Glob::new(self.prefix.clone()));
                return (self.found.len() <= MAX_GLOBS).then_some(());
            }
            return Some(());
        };
        match (first, other) {
            (Symbol::Many, Symbol::Many) => {
                // The one star takes as much as the other, or less, or more.
                self.with(Symbol::Many, a_rest, b)?;
                self.with(Symbol::Many, a, b_rest)
            }
            (Symbol::Many, symbol) => {
                self.meet(a_rest, b)?;
                self.with(*symbol, a, b_rest)
            }
            (symbol, Symbol::Many) => {
                self.meet(a, b_rest)?;
                self.with(*symbol, a_rest, b)
            }
            (one, two) => one.meet(*two).map_or(Some(()), |both| self.with(both, a_rest, b_rest)),
        }
    }

    fn with(&mut self, symbol: Symbol, a: &[Symbol], b: &[Symbol]) -> Option<()> {
        self.prefix.push(symbol);
        let met = self.meet(a, b);
        self.prefix.pop();
        met
    }
}

impl fmt::Display for Glob {
    /// As IAM writes it: a character that is not a wildcard although it looks like one is `${*}` or `${?}`, a `$` is `${$}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.symbols.len());
        for symbol in &*self.symbols {
            match symbol {
                Symbol::Char(c @ ('*' | '?' | '$')) | Symbol::Fold(c @ ('*' | '?' | '$')) => {
                    text.extend(['$', '{', *c, '}'])
                }
                Symbol::Char(c) | Symbol::Fold(c) => text.push(*c),
                Symbol::One => text.push('?'),
                Symbol::Many => text.push('*'),
            }
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::evaluate::budget::STEPS_OF_ANSWER;
    use crate::trust::evaluate::glob_product::ways;
    use proptest::prelude::*;

    #[test]
    fn wildcards_run_over_any_character() {
        for (pattern, text) in [
            ("*", ""),
            ("a*", "a:b/c"),
            ("*:c", "a:b:c"),
            ("a?c", "a/c"),
            ("a*b*c", "aXbYbZc"),
            ("[a]\\*", "[a]\\x"),
            ("*?", "a"),
        ] {
            assert!(Glob::wild(pattern).matches(text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a?c", "ac"), ("?*", ""), ("a*b", "abX"), ("[a]", "a"), ("A", "a")] {
            assert!(!Glob::wild(pattern).matches(text), "{pattern} {text}");
        }
        let literal = Glob::new(vec![Symbol::Char('a'), Symbol::Char('*')]);
        assert!(literal.matches("a*") && !literal.matches("ab"));
        assert_eq!(literal.to_string(), "a${*}");
        assert!(Glob::new(vec![Symbol::Fold('é'), Symbol::Fold('x')]).matches("Éx"));
    }

    #[test]
    fn an_intersection_is_told_by_patterns() {
        let met = |a: &str, b: &str| {
            let globs = Glob::wild(a).intersect(&Glob::wild(b), &Work::new()).unwrap();
            globs.iter().map(ToString::to_string).collect::<BTreeSet<_>>()
        };
        assert_eq!(met("a*", "*b"), BTreeSet::from(["a*b".to_owned()]));
        assert_eq!(met("ab*", "*bc"), BTreeSet::from(["abc".to_owned(), "ab*bc".to_owned()]));
        assert_eq!(met("*a*", "*b*"), BTreeSet::from(["*a*b*".to_owned(), "*b*a*".to_owned()]));
        assert_eq!(met("a?c", "ab*"), BTreeSet::from(["abc".to_owned()]));
        assert_eq!(met("a*", "b*"), BTreeSet::new());
    }

    #[test]
    fn too_much_is_said_to_be_too_much() {
        let many: String = ('a'..='z').map(|c| format!("*{c}")).collect();
        let reversed: String = ('a'..='z').rev().map(|c| format!("*{c}")).collect();
        assert_eq!(Glob::wild(&many).intersect(&Glob::wild(&reversed), &Work::new()), None);
        let work = Work::new();
        work.spend(STEPS_OF_ANSWER);
        assert_eq!(Glob::wild("a*").intersect(&Glob::wild("*b"), &work), None);
        assert!(!Glob::wild("a*").surely_covers(&Glob::wild("ab"), &work));
    }

    fn pattern() -> impl Strategy<Value = String> {
        "[ab*?]{0,5}"
    }

    proptest! {
        #[test]
        fn the_algebra_agrees_with_matching(a in pattern(), b in pattern(), texts in proptest::collection::vec("[abc]{0,5}", 30)) {
            let (a, b) = (Glob::wild(&a), Glob::wild(&b));
            let both = a.intersect(&b, &Work::new()).unwrap();
            let ways = ways(&[&a, &b]).unwrap();
            for text in &texts {
                let (in_a, in_b) = (a.matches(text), b.matches(text));
                prop_assert_eq!(both.iter().any(|glob| glob.matches(text)), in_a && in_b, "{:?} {:?} {}", a, b, text);
                prop_assert!(!(a.covers(&b) && in_b && !in_a));
                prop_assert!(ways.contains(&vec![in_a, in_b]));
                prop_assert_eq!(a.to_string(), Glob::wild(&a.to_string()).to_string());
            }
        }

        #[test]
        fn matching_agrees_with_the_library(a in pattern(), text in "[ab]{0,6}") {
            prop_assert_eq!(Glob::wild(&a).matches(&text), wildmatch::WildMatch::new(&a).matches(&text));
        }
    }
}
