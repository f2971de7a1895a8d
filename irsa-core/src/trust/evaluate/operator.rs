//! Condition operators: their names, and what they compare and how.
//!
//! Source: IAM user guide, "IAM JSON policy elements: Condition operators".

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
