//! The two sides of a test: a value of the policy, with its policy variables, and what the request has under a key.
//!
//! Source: IAM user guide, "IAM policy elements: Variables and tags" and "IAM and AWS STS condition context keys".

use super::caller::WebIdentityCaller;
use super::glob::{Glob, Symbol, fold};
use super::operator::Family;

/// A value of a test.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) struct Value {
    /// As it stands in the document.
    pub(in crate::trust) text: String,
    pieces: Pieces,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Pieces {
    /// No policy variable.
    Plain(Glob),
    /// With the family, which says how a variable's text is compared.
    Variables(Vec<Piece>, Family),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Piece {
    Symbols(Vec<Symbol>),
    Variable { key: String, default: Option<String> },
}

/// A value for one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::trust) enum Resolved {
    Fully(Glob),
    /// It has no value, and nothing equals it or is like it.
    Never,
    /// What everything it may become fits, and the keys that it depends on.
    Within(Glob, Vec<String>),
}

/// What the request has under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trust) enum Held<'a> {
    One(&'a str),
    /// The token of this caller does not have it.
    Nothing,
    /// It was not given: anything may be there.
    NotGiven,
}

/// What a caller's request has under a condition key.
///
/// Source: IAM user guide, "IAM and AWS STS condition context keys", keys of web identity federation: the provider's URL
/// without scheme, a colon, the claim. For tokens of a cluster there are `sub` and `aud`.
pub(in crate::trust) fn held<'a>(key: &str, caller: &'a WebIdentityCaller) -> Held<'a> {
    let own = caller.provider.issuer().host_path();
    if let Some((issuer, claim)) = key.rsplit_once(':')
        && issuer.eq_ignore_ascii_case(own)
    {
        return match claim {
            claim if claim.eq_ignore_ascii_case("sub") => Held::One(&caller.subject),
            claim if claim.eq_ignore_ascii_case("aud") => Held::One(&caller.audience),
            _ => Held::NotGiven,
        };
    }
    if is_of_an_issuer(key) { Held::Nothing } else { Held::NotGiven }
}

/// Whether a key is that of some OIDC provider: what stands before the first colon is a host or a path. A whole ARN or
/// URL in its place is a key that no request has.
pub(in crate::trust) fn is_of_an_issuer(key: &str) -> bool {
    let of_no_service = |first: &str| ["arn", "http", "https"].iter().any(|word| first.eq_ignore_ascii_case(word));
    key.split_once(':').is_some_and(|(first, _)| first.contains(['.', '/']) || of_no_service(first))
}

/// What a condition key has in place of the issuer, where it is no key that a request can have.
pub(in crate::trust) fn not_an_issuer(key: &str) -> Option<&'static str> {
    let (first, _) = key.split_once(':')?;
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    if is("arn") { Some("a whole ARN") } else { (is("https") || is("http")).then_some("a URL") }
}

impl Value {
    /// Reads a value as the operator takes it; policy variables are of Version 2012-10-17 only.
    pub(in crate::trust) fn parse(text: &str, family: Family, variables: bool) -> Self {
        let strings = matches!(family, Family::Equals | Family::EqualsIgnoreCase | Family::Like | Family::Arn);
        let symbols = |text: &str| {
            text.chars()
                .map(|c| match c {
                    '*' if matches!(family, Family::Like | Family::Arn) => Symbol::Many,
                    '?' if matches!(family, Family::Like | Family::Arn) => Symbol::One,
                    c if family == Family::EqualsIgnoreCase => Symbol::Fold(fold(c)),
                    c => Symbol::Char(c),
                })
                .collect::<Vec<_>>()
        };
        if !variables || !strings || !text.contains("${") {
            return Self { text: text.to_owned(), pieces: Pieces::Plain(Glob::new(symbols(text))) };
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((inside, behind)) = after.split_once('}') else { break };
            pieces.push(Piece::Symbols(symbols(before)));
            pieces.push(variable(inside));
            rest = behind;
        }
        pieces.push(Piece::Symbols(symbols(rest)));
        Self { text: text.to_owned(), pieces: Pieces::Variables(pieces, family) }
    }

    /// What it is for a caller.
    pub(in crate::trust) fn resolve(&self, caller: &WebIdentityCaller) -> Resolved {
        let (pieces, family) = match &self.pieces {
            Pieces::Plain(glob) => return Resolved::Fully(glob.clone()),
            Pieces::Variables(pieces, family) => (pieces, *family),
        };
        let literal =
            |c: char| if family == Family::EqualsIgnoreCase { Symbol::Fold(fold(c)) } else { Symbol::Char(c) };
        let (mut symbols, mut open) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Symbols(own) => symbols.extend(own),
                Piece::Variable { key, default } => match (held(key, caller), default) {
                    (Held::One(text), _) => symbols.extend(text.chars().map(literal)),
                    (Held::Nothing, Some(default)) => symbols.extend(default.chars().map(literal)),
                    // IAM user guide, "Policy variables": without a value there is no equal or like value.
                    (Held::Nothing, None) => return Resolved::Never,
                    (Held::NotGiven, _) => {
                        symbols.push(Symbol::Many);
                        open.push(key.clone());
                    }
                },
            }
        }
        let glob = Glob::new(symbols);
        if open.is_empty() { Resolved::Fully(glob) } else { Resolved::Within(glob, open) }
    }

    /// The pattern, where there is no variable in it.
    pub(in crate::trust) fn plain(&self) -> Option<&Glob> {
        match &self.pieces {
            Pieces::Plain(glob) => Some(glob),
            Pieces::Variables(..) => None,
        }
    }

    /// The keys of its variables.
    pub(in crate::trust) fn variables(&self) -> impl Iterator<Item = &str> {
        let pieces = match &self.pieces {
            Pieces::Plain(_) => &[][..],
            Pieces::Variables(pieces, _) => pieces,
        };
        pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            Piece::Symbols(_) => None,
        })
    }
}

fn variable(inside: &str) -> Piece {
    // `${*}`, `${?}` and `${$}` stand for these characters.
    if let ("*" | "?" | "$", Some(c)) = (inside, inside.chars().next()) {
        return Piece::Symbols(vec![Symbol::Char(c)]);
    }
    let (key, default) = match inside.split_once(',') {
        Some((key, default)) => {
            let default = default.trim();
            (key.trim(), default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).map(str::to_owned))
        }
        None => (inside.trim(), None),
    };
    Piece::Variable { key: key.to_owned(), default }
}
