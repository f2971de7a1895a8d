//! One document of a file: parsed, and its errors with file, line and column.

use std::cell::OnceCell;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use super::source_map::{Part, Place, Places, WHOLE};
use crate::error::{Error, ErrorKind, Result};
use crate::text::{did_you_mean, nearest};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePlace {
    /// The name of the file.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The column, counted from 1.
    pub column: u64,
}

impl FilePlace {
    /// What stands there is refused.
    pub(super) fn refused(&self, what: String) -> Error {
        self.in_context_of(Error::new(ErrorKind::InvalidInput, format!("{self}: {what}")))
    }

    fn in_context_of(&self, error: Error) -> Error {
        error
            .with_context("file", self.file.clone())
            .with_context("line", self.line.to_string())
            .with_context("column", self.column.to_string())
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One document of a file.
pub(super) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    /// The lines before it.
    before: u64,
    /// Collected when the first one is asked for.
    places: OnceCell<Places>,
}

/// The documents of a text. A line that begins with `---` ends one wherever it stands (YAML 1.2.2, 9.1.2 and 9.2).
pub(super) fn documents<'a>(file: &'a str, text: &'a str) -> Vec<Document<'a>> {
    let mut documents = Vec::new();
    let (mut begin, mut before, mut offset, mut number) = (0, 0, 0, 0);
    for line in text.split_inclusive('\n') {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker && offset > begin && !is_prologue(&text[begin..offset]) {
            documents.push(Document::new(file, &text[begin..offset], before));
            (begin, before) = (offset, number);
        }
        offset += line.len();
        // A carriage return alone breaks a line too (YAML 1.2.2, 5.4).
        let within = line.strip_suffix('\n').unwrap_or(line);
        number += within.strip_suffix('\r').unwrap_or(within).matches('\r').count() as u64 + 1;
    }
    documents.push(Document::new(file, &text[begin..], before));
    documents
}

/// Whether a text is directives, which stand before the marker of their document (YAML 1.2.2, 9.1.1).
fn is_prologue(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).peekable();
    lines.peek().is_some() && lines.all(|line| line.starts_with('%'))
}

/// The most keys, values, lists and mappings of a document: those of some 100,000 bindings.
const MAX_NODES: usize = 8_000_000;

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        // As many as the bytes that a file may have can hold; what aliases multiply is bounded by itself.
        budget: serde_saphyr::budget! {
            max_events: MAX_NODES * 2,
            max_nodes: MAX_NODES,
            // One boundary may well be that of hundreds of bindings.
            enforce_alias_anchor_ratio: false,
        },
    }
}

/// The keys that a field of a binding may stand under.
fn keys_of(field: &str) -> [String; 4] {
    let mut words = field.split(' ');
    let first = words.next().unwrap_or_default();
    let camel = words.fold(first.to_owned(), |camel, word| {
        let mut letters = word.chars();
        camel + &letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default() + letters.as_str()
    });
    [camel.clone(), format!("{camel}s"), first.to_owned(), format!("{first}s")]
}

/// What to do about a document that is beyond the bounds.
const SPLIT: &str = "split the file into several, and write out what aliases stand for";

const MANY_ALIASES: &str = "the document has too many anchors, or aliases for them";

/// Which bound of YAML a document is beyond.
fn too_much(breach: &BudgetBreach) -> &'static str {
    match breach {
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::MergeKeys { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => MANY_ALIASES,
        _ => "the document holds more than irsa takes in one",
    }
}

impl<'a> Document<'a> {
    fn new(file: &'a str, text: &'a str, before: u64) -> Self {
        Self { file, text, before, places: OnceCell::new() }
    }

    /// Parses it as a type; where a text is wanted, any scalar is one, as for eksctl.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_saphyr::from_str_with_options(self.text, options()).map_err(|error| self.refused(&error))
    }

    /// Parses it as a type that the API server could read as well: what looks like a number is no text.
    pub(super) fn parse_typed<T: DeserializeOwned>(&self) -> Result<T> {
        let mut options = options();
        options.no_schema = true;
        serde_saphyr::from_str_with_options(self.text, options).map_err(|error| self.refused(&error))
    }

    /// Where a value stands in a part of it; the beginning of the part where it is not found.
    pub(super) fn place_of(&self, value: &str, part: &Part) -> FilePlace {
        self.place(self.find(value, part).unwrap_or(part.start))
    }

    fn find(&self, value: &str, part: &Part) -> Option<Place> {
        self.places.get_or_init(|| Places::of(self.text, options())).find(value, part)
    }

    fn place(&self, (line, column): Place) -> FilePlace {
        FilePlace { file: self.file.to_owned(), line: self.before + line.max(1), column: column.max(1) }
    }

    /// The error of a value, with the place of the value: or else of what it belongs to.
    pub(super) fn placed(&self, error: Error, part: &Part) -> Error {
        let (values, others): (Vec<_>, Vec<_>) = error.context().iter().partition(|(key, _)| *key == "value");
        let field = error.context().iter().find(|(key, _)| *key == "field").map(|(_, field)| field.as_str());
        let key = field.and_then(|field| keys_of(field).iter().find_map(|key| self.find(key, part)));
        // The same text may stand elsewhere before, such as in the name.
        let behind = key.map(|begin| begin..part.end);
        let named = values.iter().chain(&others).find_map(|(_, value)| {
            // Values of policies are told as JSON.
            let plain = serde_json::from_str::<String>(value).ok();
            let spelt = [Some(value), plain.as_ref()];
            let within = |part: &Part| spelt.iter().flatten().find_map(|value| self.find(value, part));
            behind.as_ref().and_then(within).or_else(|| within(part))
        });
        let place = self.place(named.or(key).unwrap_or(part.start));
        place.in_context_of(error.during(format!("{place}: this binding is not valid")))
    }

    fn refused(&self, error: &serde_saphyr::Error) -> Error {
        let mut plain = error.without_snippet();
        let place = self.place(plain.location().map_or(WHOLE.start, |place| (place.line(), place.column())));
        // The place is that of the alias, the error that of what it stands for.
        while let serde_saphyr::Error::AliasError { error, .. } = plain {
            plain = error;
        }
        let (what, hint) = match plain {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                let near = nearest(field, expected.iter().copied());
                let hint = did_you_mean(&near).unwrap_or_else(|| format!("known here are {}", expected.join(", ")));
                (format!("key {field:?} is not known"), Some(hint))
            }
            serde_saphyr::Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
                ("the document nests its lists and mappings too deeply".to_owned(), None)
            }
            serde_saphyr::Error::Budget { breach, .. } => (too_much(breach).to_owned(), Some(SPLIT.to_owned())),
            serde_saphyr::Error::AliasReplayCounterOverflow { .. }
            | serde_saphyr::Error::AliasReplayLimitExceeded { .. }
            | serde_saphyr::Error::AliasExpansionLimitExceeded { .. }
            | serde_saphyr::Error::AliasReplayStackDepthExceeded { .. } => {
                (MANY_ALIASES.to_owned(), Some(SPLIT.to_owned()))
            }
            serde_saphyr::Error::QuotingRequired { .. } => {
                ("a text is needed here, which must be quoted".to_owned(), None)
            }
            serde_saphyr::Error::InvalidScalar { ty: "boolean", .. }
            | serde_saphyr::Error::InvalidBooleanStrict { .. } => ("true or false is needed here".to_owned(), None),
            serde_saphyr::Error::InvalidScalar { ty: "u32", .. } => {
                ("a whole number of 0 or more is needed here".to_owned(), None)
            }
            serde_saphyr::Error::Unexpected { expected: "mapping start", .. } => {
                ("a mapping of keys to values is needed here".to_owned(), None)
            }
            serde_saphyr::Error::Unexpected { expected: "sequence start", .. } => {
                ("a list is needed here".to_owned(), None)
            }
            serde_saphyr::Error::Unexpected { expected: "string scalar", .. } => {
                ("a single value is needed here".to_owned(), None)
            }
            other => (UserMessageFormatter.format_message(other).into_owned(), None),
        };
        let error = place.refused(what);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
