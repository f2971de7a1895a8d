//! One test of a condition: its operator, its key and its values, and what it says of one value.
//!
//! Source: IAM user guide, "IAM JSON policy elements: Condition operators" and "Policy variables".

use std::net::IpAddr;
use std::str::FromStr;

use super::caller::Caller;
use super::glob::{Glob, Symbol, fold};

/// A truth value of three; `Unknown` where it depends on what is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) enum Truth {
    False,
    Unknown,
    True,
}

impl Truth {
    pub(in crate::trust) fn and(self, other: Self) -> Self {
        self.min(other)
    }

    pub(in crate::trust) fn or(self, other: Self) -> Self {
        self.max(other)
    }
}

impl std::ops::Not for Truth {
    type Output = Self;
    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// How a value of the request is compared with one of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) enum Family {
    Equals,
    EqualsIgnoreCase,
    Like,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
    /// An operator that IAM may have and this evaluator does not know.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) enum Order {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Order {
    pub(in crate::trust) fn holds(self, actual: f64, wanted: f64) -> bool {
        match self {
            Self::Equal => actual == wanted,
            Self::Less => actual < wanted,
            Self::AtMost => actual <= wanted,
            Self::More => actual > wanted,
            Self::AtLeast => actual >= wanted,
        }
    }
}

/// The prefix of an operator for keys of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) enum Set {
    Any,
    All,
}

/// A condition operator; its name has no case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) struct Operator {
    /// As it stands in the document.
    pub(in crate::trust) name: String,
    pub(in crate::trust) family: Family,
    pub(in crate::trust) negated: bool,
    pub(in crate::trust) if_exists: bool,
    pub(in crate::trust) set: Option<Set>,
}

impl Operator {
    pub(in crate::trust) fn parse(name: &str) -> Self {
        let (set, rest) = match name.split_once(':') {
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAnyValue") => (Some(Set::Any), rest),
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAllValues") => (Some(Set::All), rest),
            _ => (None, name),
        };
        let lower = rest.to_ascii_lowercase();
        let (plain, if_exists) = match lower.strip_suffix("ifexists") {
            Some(plain) => (plain, true),
            None => (lower.as_str(), false),
        };
        let (family, negated) = match plain {
            "stringequals" => (Family::Equals, false),
            "stringnotequals" => (Family::Equals, true),
            "stringequalsignorecase" => (Family::EqualsIgnoreCase, false),
            "stringnotequalsignorecase" => (Family::EqualsIgnoreCase, true),
            "stringlike" => (Family::Like, false),
            "stringnotlike" => (Family::Like, true),
            "numericequals" => (Family::Numeric(Order::Equal), false),
            "numericnotequals" => (Family::Numeric(Order::Equal), true),
            "numericlessthan" => (Family::Numeric(Order::Less), false),
            "numericlessthanequals" => (Family::Numeric(Order::AtMost), false),
            "numericgreaterthan" => (Family::Numeric(Order::More), false),
            "numericgreaterthanequals" => (Family::Numeric(Order::AtLeast), false),
            "dateequals" => (Family::Date(Order::Equal), false),
            "datenotequals" => (Family::Date(Order::Equal), true),
            "datelessthan" => (Family::Date(Order::Less), false),
            "datelessthanequals" => (Family::Date(Order::AtMost), false),
            "dategreaterthan" => (Family::Date(Order::More), false),
            "dategreaterthanequals" => (Family::Date(Order::AtLeast), false),
            "bool" => (Family::Bool, false),
            "binaryequals" => (Family::Binary, false),
            "ipaddress" => (Family::Ip, false),
            "notipaddress" => (Family::Ip, true),
            "arnequals" | "arnlike" => (Family::Arn, false),
            "arnnotequals" | "arnnotlike" => (Family::Arn, true),
            // `Null` asks for existence itself: IAM has no `NullIfExists` and no set of it.
            "null" if !if_exists && set.is_none() => (Family::Null, false),
            _ => (Family::Other, false),
        };
        Self { name: name.to_owned(), family, negated, if_exists, set }
    }
}

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::trust) struct Test {
    pub(in crate::trust) operator: Operator,
    /// As it stands in the document; condition keys have no case.
    pub(in crate::trust) key: String,
    pub(in crate::trust) values: Vec<Value>,
}

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
pub(in crate::trust) fn held<'a>(key: &str, caller: &'a Caller) -> Held<'a> {
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
    pub(in crate::trust) fn resolve(&self, caller: &Caller) -> Resolved {
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

impl Test {
    /// What it says of a caller.
    pub(in crate::trust) fn holds(&self, caller: &Caller) -> Truth {
        let Operator { family, negated, .. } = &self.operator;
        match held(&self.key, caller) {
            _ if *family == Family::Other => Truth::Unknown,
            Held::NotGiven => Truth::Unknown,
            Held::Nothing => self.of_absent(),
            // The only value is both any and all of them.
            Held::One(actual) => {
                let fits = self.values.iter().map(|value| self.fits(value, actual, caller));
                let any = fits.fold(Truth::False, Truth::or);
                if *negated { !any } else { any }
            }
        }
    }

    /// What it says where the key is absent.
    pub(in crate::trust) fn of_absent(&self) -> Truth {
        let Operator { family, negated, if_exists, set, .. } = &self.operator;
        match (family, set) {
            (Family::Other, _) => Truth::Unknown,
            (Family::Null, _) => self.wants_null(true),
            _ if *if_exists => Truth::True,
            (_, Some(Set::All)) => Truth::True,
            // IAM user guide, "Single-valued vs. multivalued context keys": ForAnyValue is false without the key.
            (_, Some(Set::Any)) => Truth::False,
            _ => Truth::from(*negated),
        }
    }

    /// For `Null`: whether one of the values is the truth about absence.
    pub(in crate::trust) fn wants_null(&self, absent: bool) -> Truth {
        let each = self.values.iter().map(|value| match value.text.to_ascii_lowercase().as_str() {
            "true" => Truth::from(absent),
            "false" => Truth::from(!absent),
            _ => Truth::Unknown,
        });
        each.fold(Truth::False, Truth::or)
    }

    /// Whether a value of the request fits a value of the policy; unknown where it is not of the operator's type.
    fn fits(&self, value: &Value, actual: &str, caller: &Caller) -> Truth {
        match self.operator.family {
            Family::Equals | Family::EqualsIgnoreCase | Family::Like => match value.pieces {
                Pieces::Plain(ref glob) => Truth::from(glob.matches(actual)),
                Pieces::Variables(..) => match value.resolve(caller) {
                    Resolved::Fully(glob) => Truth::from(glob.matches(actual)),
                    Resolved::Never => Truth::False,
                    Resolved::Within(glob, _) if !glob.matches(actual) => Truth::False,
                    Resolved::Within(..) => Truth::Unknown,
                },
            },
            Family::Null => self.wants_null(false),
            Family::Numeric(order) => compare(order, number(actual), number(&value.text)),
            Family::Date(order) => compare(order, date(actual), date(&value.text)),
            Family::Bool => match (boolean(actual), boolean(&value.text)) {
                (Some(actual), Some(wanted)) => Truth::from(actual == wanted),
                _ => Truth::Unknown,
            },
            Family::Ip => match (IpAddr::from_str(actual), Network::parse(&value.text)) {
                (Ok(address), Some(network)) => Truth::from(network.holds(address)),
                _ => Truth::Unknown,
            },
            Family::Arn => match value.resolve(caller) {
                Resolved::Fully(glob) => glob.matches_arn(actual).map_or(Truth::Unknown, Truth::from),
                Resolved::Never => Truth::False,
                Resolved::Within(..) => Truth::Unknown,
            },
            Family::Binary | Family::Other => Truth::Unknown,
        }
    }
}

fn compare(order: Order, actual: Option<f64>, wanted: Option<f64>) -> Truth {
    match (actual, wanted) {
        (Some(actual), Some(wanted)) => Truth::from(order.holds(actual, wanted)),
        _ => Truth::Unknown,
    }
}

pub(in crate::trust) fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

pub(in crate::trust) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A date of ISO 8601 in UTC, `2026-11-24` or `2026-11-24T01:02:03Z`, as a number that is greater for a later one.
pub(in crate::trust) fn date(text: &str) -> Option<f64> {
    let text = text.trim();
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let digits = |text: &str, form: &[u8]| {
        let fits = |(have, want): (&u8, &u8)| if *want == b'0' { have.is_ascii_digit() } else { have == want };
        (text.len() == form.len() && text.as_bytes().iter().zip(form).all(fits))
            .then(|| text.chars().filter(char::is_ascii_digit).collect::<String>())
    };
    let day = digits(day, b"0000-00-00")?;
    let time = digits(time, b"00:00:00Z").or_else(|| digits(time, b"00:00Z").map(|short| short + "00"))?;
    format!("{day}{time}").parse().ok()
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trust) struct Network {
    pub(in crate::trust) v4: bool,
    pub(in crate::trust) first: u128,
    pub(in crate::trust) last: u128,
}

impl Network {
    pub(in crate::trust) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text.trim(), None),
        };
        let address = IpAddr::from_str(address).ok()?;
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let free = bits.checked_sub(length.unwrap_or(bits))?;
        let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        let first = as_number(address) & !mask;
        Some(Self { v4: address.is_ipv4(), first, last: first | mask })
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.has(address.is_ipv4(), as_number(address))
    }

    pub(in crate::trust) fn has(&self, v4: bool, address: u128) -> bool {
        self.v4 == v4 && (self.first..=self.last).contains(&address)
    }
}

fn as_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        let provider = "arn:aws:iam::123456789012:oidc-provider/issuer.example/id/A".parse().unwrap();
        Caller::new(provider, "system:serviceaccount:ns:app", "sts.amazonaws.com")
    }

    fn holds(operator: &str, key: &str, values: &[&str]) -> Truth {
        let operator = Operator::parse(operator);
        let values = values.iter().map(|value| Value::parse(value, operator.family, true)).collect();
        Test { operator, key: key.to_owned(), values }.holds(&caller())
    }

    const SUB: &str = "issuer.example/id/A:sub";

    #[test]
    fn keys_have_no_case_and_values_have() {
        assert_eq!(held("ISSUER.example/ID/a:SUB", &caller()), Held::One("system:serviceaccount:ns:app"));
        assert_eq!(held("issuer.example/id/A:aud", &caller()), Held::One("sts.amazonaws.com"));
        for key in ["other.example:sub", "arn:aws:iam::1:oidc-provider/issuer.example/id/A:sub", "issuer.example:sub"] {
            assert_eq!(held(key, &caller()), Held::Nothing, "{key}");
        }
        for key in ["aws:SourceIp", "aws:RequestTag/a:b", "issuer.example/id/A:amr", "sub", "saml:aud"] {
            assert_eq!(held(key, &caller()), Held::NotGiven, "{key}");
        }
        assert_eq!(holds("StringEquals", SUB, &["System:serviceaccount:ns:app"]), Truth::False);
        assert_eq!(holds("stringequalsIGNORECASE", SUB, &["System:serviceaccount:NS:app"]), Truth::True);
    }

    #[test]
    fn several_values_are_an_or_and_negated_ones_a_nor() {
        assert_eq!(holds("StringEquals", SUB, &["x", "system:serviceaccount:ns:app"]), Truth::True);
        assert_eq!(holds("StringNotEquals", SUB, &["x", "system:serviceaccount:ns:app"]), Truth::False);
        assert_eq!(holds("StringNotLike", SUB, &["x*", "y*"]), Truth::True);
        assert_eq!(holds("StringEquals", SUB, &[]), Truth::False);
    }

    #[test]
    fn an_absent_key_is_told_by_the_operator() {
        for (operator, expected) in [
            ("StringEquals", Truth::False),
            ("StringNotEquals", Truth::True),
            ("StringLikeIfExists", Truth::True),
            ("ForAllValues:StringLike", Truth::True),
            ("ForAnyValue:StringLike", Truth::False),
            ("ForAnyValue:StringNotLike", Truth::False),
            ("NumericLessThan", Truth::False),
            ("NotIpAddress", Truth::True),
            ("Null", Truth::Unknown),
            ("Frobnicate", Truth::Unknown),
        ] {
            assert_eq!(holds(operator, "other.example:sub", &["x"]), expected, "{operator}");
        }
        assert_eq!(holds("Null", "other.example:sub", &["true"]), Truth::True);
        assert_eq!(holds("Null", SUB, &["true"]), Truth::False);
        assert_eq!(holds("Null", SUB, &["false"]), Truth::True);
    }

    #[test]
    fn variables_are_resolved_as_far_as_they_can_be() {
        assert_eq!(holds("StringEquals", SUB, &["${issuer.example/id/A:sub}"]), Truth::True);
        assert_eq!(holds("StringLike", SUB, &["system:${*}:*"]), Truth::False);
        assert_eq!(holds("StringLike", SUB, &["system:serviceaccount:${aws:PrincipalTag/ns}:app"]), Truth::Unknown);
        assert_eq!(holds("StringLike", SUB, &["system:serviceaccount:${aws:PrincipalTag/ns}:other"]), Truth::False);
        let with_default = "system:serviceaccount:${other.example:sub, 'ns'}:app";
        assert_eq!(holds("StringEquals", SUB, &[with_default]), Truth::True);
    }

    #[test]
    fn what_is_of_another_type_is_unknown() {
        for operator in ["NumericEquals", "DateGreaterThan", "Bool", "IpAddress", "ArnLike", "BinaryEquals"] {
            assert_eq!(holds(operator, SUB, &["1"]), Truth::Unknown, "{operator}");
        }
    }

    #[test]
    fn dates_and_networks_are_read() {
        assert!(date("2026-11-24") < date("2026-11-24T00:00:01Z"));
        assert_eq!(date("2026-11-24T00:00:01+01:00"), None);
        assert_eq!(date("tomorrow"), None);
        let network = Network::parse("10.1.2.3/8").unwrap();
        assert!(network.holds("10.255.255.255".parse().unwrap()) && !network.holds("11.0.0.0".parse().unwrap()));
        assert!(Network::parse("::/0").unwrap().holds("ffff::1".parse().unwrap()));
        assert_eq!(Network::parse("10.0.0.0/33"), None);
    }
}
