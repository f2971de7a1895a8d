//! Maps the roles and statements of a JSON text to lines.
//!
//! The text must have been parsed as JSON before; in any other text, nothing or nonsense is found.

mod audited_files;

use std::collections::BTreeMap;
use std::ops::Range;

pub(crate) use self::audited_files::{AuditedFile, SourceMaps};

/// Keys of the lists of roles in the output of the aws CLI.
const ROLE_KEYS: [&str; 3] = ["RoleDetailList", "Roles", "Role"];

/// Spans of the roles and documents of one text.
#[derive(Debug)]
pub(crate) struct SourceMap<'a> {
    text: &'a str,
    /// Start of each line.
    lines: Vec<usize>,
    /// By ARN or name.
    roles: BTreeMap<String, RoleSpan>,
    /// Documents of no role: the only one, or those of a list, counted from 1.
    documents: BTreeMap<Option<usize>, RoleSpan>,
}

#[derive(Debug)]
struct RoleSpan {
    whole: Range<usize>,
    document: Range<usize>,
}

/// Range of lines of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span<'a> {
    /// Its first line; lines are counted from 1.
    pub(crate) first: usize,
    /// Its last line.
    pub(crate) last: usize,
    /// The part itself.
    pub(crate) text: &'a str,
}

/// Part of a text that is audited on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// A role by its ARN, or by its name where it has none.
    Role(&'a str),
    /// A document in a list, counted from 1.
    Element(usize),
    /// The only document.
    Only,
}

impl<'a> Part<'a> {
    /// What the name of a source says after the name of its file, as `roles_of_text` gives it.
    pub(crate) fn of(role_arn: Option<&'a str>, rest: &'a str) -> Self {
        let element = || rest.strip_prefix(", element ")?.parse().ok();
        match (role_arn, rest.split_once(", role ")) {
            (Some(arn), _) => Self::Role(arn),
            (None, Some((_, name))) => Self::Role(name),
            (None, None) => element().map_or(Self::Only, Self::Element),
        }
    }
}

impl<'a> SourceMap<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let begins = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(begins).collect();
        let mut map = Self { text, lines, roles: BTreeMap::new(), documents: BTreeMap::new() };
        let whole = value(text, 0);
        match text.as_bytes().get(whole.start) {
            Some(b'[') => {
                for (at, element) in elements(text, whole).into_iter().enumerate() {
                    map.add(element, Some(at + 1), 0);
                }
            }
            _ => map.add(whole, None, 0),
        }
        map
    }

    fn add(&mut self, span: Range<usize>, element: Option<usize>, depth: usize) {
        // The output of the aws CLI has lists of roles, not nested further.
        const MAX_DEPTH: usize = 3;
        let text = self.text;
        match text.as_bytes().get(span.start) {
            Some(b'[') if depth < MAX_DEPTH => {
                for element in elements(text, span) {
                    self.add(element, None, depth + 1);
                }
            }
            Some(b'{') => {
                let named = |key: &str| member(text, span.clone(), key).and_then(|name| string(text, name));
                let policy = member(text, span.clone(), "AssumeRolePolicyDocument");
                if let Some(name) = named("Arn").or_else(|| named("RoleName")) {
                    let document = policy.unwrap_or(span.clone());
                    self.roles.entry(name).or_insert(RoleSpan { whole: span, document });
                } else if member(text, span.clone(), "Statement").is_some() {
                    self.documents.entry(element).or_insert(RoleSpan { whole: span.clone(), document: span });
                } else if depth < MAX_DEPTH {
                    for held in ROLE_KEYS.iter().filter_map(|key| member(text, span.clone(), key)) {
                        self.add(held, None, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn span_of(&self, part: Part<'_>) -> Option<&RoleSpan> {
        match part {
            Part::Role(name) => self.roles.get(name),
            Part::Element(number) => self.documents.get(&Some(number)),
            Part::Only => self.documents.get(&None),
        }
    }

    /// A statement of a part, by its label; without one, or where it is not found, the whole part.
    pub(crate) fn find(&self, part: Part<'_>, statement: Option<&str>) -> Option<Span<'a>> {
        let role = self.span_of(part)?;
        let span = statement.and_then(|label| self.statement(role, label)).unwrap_or_else(|| role.whole.clone());
        let text = self.text.get(span.clone())?;
        Some(Span { first: self.line(span.start), last: self.line(span.end.saturating_sub(1)), text })
    }

    /// The trust policy of a part.
    pub(crate) fn document(&self, part: Part<'_>) -> Option<&'a str> {
        self.text.get(self.span_of(part)?.document.clone())
    }

    fn statement(&self, role: &RoleSpan, label: &str) -> Option<Range<usize>> {
        let held = member(self.text, role.document.clone(), "Statement")?;
        let list = match self.text.as_bytes().get(held.start) {
            Some(b'[') => elements(self.text, held),
            _ => vec![held],
        };
        let with_sid = |span: &&Range<usize>| {
            let sid = member(self.text, (*span).clone(), "Sid").and_then(|sid| string(self.text, sid));
            sid.as_deref() == Some(label)
        };
        let by_number = || list.get(numbered(label)?.0.checked_sub(1)?);
        by_number().or_else(|| list.iter().find(with_sid)).cloned()
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at)
    }
}

/// The number and the Sid of a label: `statement 1`, or `statement 1 (ItsSid)`; nothing for any other.
pub(crate) fn numbered(label: &str) -> Option<(usize, Option<&str>)> {
    let rest = label.strip_prefix("statement ")?;
    let (number, sid) = match rest.split_once(" (") {
        Some((number, sid)) => (number, Some(sid.strip_suffix(')')?)),
        None => (rest, None),
    };
    Some((number.parse().ok()?, sid))
}

/// The value of a key of the object at a span.
fn member(text: &str, object: Range<usize>, key: &str) -> Option<Range<usize>> {
    if text.as_bytes().get(object.start) != Some(&b'{') {
        return None;
    }
    let mut at = object.start + 1;
    loop {
        let name = value(text, at);
        if name.is_empty() || name.end > object.end {
            return None;
        }
        let held = value(text, after(text, name.end, b':'));
        if string(text, name).as_deref() == Some(key) {
            return Some(held);
        }
        at = after(text, held.end, b',');
    }
}

/// The elements of the list at a span.
fn elements(text: &str, list: Range<usize>) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), list.start + 1);
    loop {
        let element = value(text, at);
        if element.is_empty() || element.end > list.end {
            return found;
        }
        at = after(text, element.end, b',');
        found.push(element);
    }
}

/// The position after white space and one separator.
fn after(text: &str, at: usize, separator: u8) -> usize {
    let at = blank(text, at);
    if text.as_bytes().get(at) == Some(&separator) { at + 1 } else { at }
}

fn blank(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The value that begins at or after a position; empty at the end of a list, an object or the text.
fn value(text: &str, at: usize) -> Range<usize> {
    let start = blank(text, at);
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut quoted) = (start, 0_usize, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' | b']' | b',' | b':' if depth == 0 => return start..at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return start..at,
            _ => {}
        }
        at += 1;
        if depth == 0 && !quoted && matches!(byte, b'"' | b'}' | b']') {
            break;
        }
    }
    start..at.min(bytes.len())
}

/// The string at a span.
fn string(text: &str, span: Range<usize>) -> Option<String> {
    serde_json::from_str(text.get(span)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Sid": "", "Principal": {"Federated": ["a}]", "b\""]}},
    {
      "Sid": "Second",
      "Effect": "Deny"
    }, {"S\u0069d": "Third"}
  ]
}
"#;

    fn lines(text: &str, part: Part<'_>, statement: Option<&str>) -> Option<(usize, usize)> {
        SourceMap::of(text).find(part, statement).map(|span| (span.first, span.last))
    }

    #[test]
    fn statements_are_found_by_sid_and_by_number() {
        assert_eq!(lines(DOCUMENT, Part::Only, Some("statement 1")), Some((4, 4)));
        assert_eq!(lines(DOCUMENT, Part::Only, Some("Second")), Some((5, 8)));
        assert_eq!(lines(DOCUMENT, Part::Only, Some("statement 2 (Second)")), Some((5, 8)));
        assert_eq!(lines(DOCUMENT, Part::Only, Some("Third")), Some((8, 8)));
        // What is not found, and what is about the whole, is the whole.
        assert_eq!(lines(DOCUMENT, Part::Only, Some("statement 9")), Some((1, 10)));
        assert_eq!(lines(DOCUMENT, Part::Only, None), Some((1, 10)));
        let span = SourceMap::of(DOCUMENT).find(Part::Only, Some("Third")).unwrap();
        assert_eq!(span.text, r#"{"S\u0069d": "Third"}"#);
    }

    #[test]
    fn a_label_has_a_number_and_perhaps_a_sid() {
        for (label, parts) in [
            ("statement 12", Some((12, None))),
            ("statement 1 (A)", Some((1, Some("A")))),
            ("statement 1 (a (b))", Some((1, Some("a (b)")))),
            ("statement", None),
            ("statement x", None),
            ("Sid", None),
        ] {
            assert_eq!(numbered(label), parts, "{label}");
        }
    }

    #[test]
    fn a_single_statement_needs_no_list() {
        let text = "{\"Statement\":\n{\"Effect\": \"Allow\"}}";
        assert_eq!(lines(text, Part::Only, Some("statement 1")), Some((2, 2)));
    }

    #[test]
    fn roles_of_lists_are_distinguished() {
        let role = |name: &str| {
            format!("{{\"Arn\": \"{name}\",\n\"AssumeRolePolicyDocument\": {{\n\"Statement\": [\n{{}}]}}}}")
        };
        for (head, tail) in
            [("{\"RoleDetailList\": [", "]}"), ("{\"Roles\": [", "]}"), ("[", "]"), ("[{\"Roles\": [", "]}]")]
        {
            let text = format!("{head}{},\n{}{tail}", role("a"), role("b"));
            assert_eq!(lines(&text, Part::Role("a"), None), Some((1, 4)), "{text}");
            assert_eq!(lines(&text, Part::Role("b"), Some("statement 1")), Some((8, 8)), "{text}");
            assert_eq!(lines(&text, Part::Role("c"), None), None, "{text}");
        }
        let one = format!("{{\n\"Role\": {}}}", role("a"));
        assert_eq!(lines(&one, Part::Role("a"), Some("statement 1")), Some((5, 5)));
    }

    #[test]
    fn a_document_in_a_string_is_one_line() {
        let text = "{\"Role\": {\"Arn\": \"a\",\n\"AssumeRolePolicyDocument\":\n\"%7B%7D\"}}";
        assert_eq!(lines(text, Part::Role("a"), Some("statement 1")), Some((1, 3)));
    }

    #[test]
    fn documents_of_a_list_are_counted() {
        let text = "[{\"Statement\": []},\n{\"Statement\": [{}]}]";
        assert_eq!(lines(text, Part::of(None, ", element 2"), Some("statement 1")), Some((2, 2)));
        assert_eq!(SourceMap::of(text).document(Part::Element(1)), Some("{\"Statement\": []}"));
        let odd = "[1, {\"Roles\": [\n{\"RoleName\": \"odd\", \"AssumeRolePolicyDocument\": 7}]}]";
        assert_eq!(lines(odd, Part::of(None, ", element 2, role odd"), None), Some((2, 2)));
        assert_eq!(Part::of(Some("arn"), ", element 2"), Part::Role("arn"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_much(text in r#"[\[\]{}",:\\ a\n"Statment]{0,60}"#) {
            let _ = SourceMap::of(&text).find(Part::Only, Some("statement 1"));
        }
    }
}
