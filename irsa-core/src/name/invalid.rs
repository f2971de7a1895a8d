//! The error of a text that is not a valid name.

use std::error::Error as StdError;
use std::fmt;

use crate::hint::Hint;
use crate::text::shown;

/// The result of parsing a name.
pub(super) type Result<T, E = InvalidName> = std::result::Result<T, E>;

/// A text that is not a valid name, with the rule it breaks.
///
/// Where only a part of the text is wrong, such as the account of an ARN, [`source`](StdError::source) is the error of that
/// part. Converts into an [`Error`](crate::Error) of kind [`InvalidInput`](crate::ErrorKind::InvalidInput).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    field: &'static str,
    value: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    Rule { rule: String, hint: Option<Hint> },
    Part { part: InvalidName, predicate: &'static str },
}

impl InvalidName {
    pub(crate) fn new(field: &'static str, value: impl Into<String>, rule: impl fmt::Display) -> Self {
        let reason = Reason::Rule { rule: rule.to_string(), hint: None };
        Self(Box::new(Inner { field, value: value.into(), reason }))
    }

    /// Adds what the user can do, to the error of the broken rule.
    #[must_use]
    pub(super) fn with_hint(mut self, advice: Hint) -> Self {
        match &mut self.0.reason {
            Reason::Rule { hint, .. } => *hint = Some(advice),
            Reason::Part { part, predicate } => {
                let part = part.clone().with_hint(advice);
                self.0.reason = Reason::Part { part, predicate };
            }
        }
        self
    }

    /// The same error seen from the text that this one is a part of.
    #[must_use]
    pub(super) fn part_of(self, field: &'static str, value: &str) -> Self {
        let reason = Reason::Part { part: self, predicate: "is not valid" };
        Self(Box::new(Inner { field, value: value.to_owned(), reason }))
    }

    /// The same error seen from a text that is not an ARN because of it.
    #[must_use]
    pub(super) fn part_of_arn(self, field: &'static str, value: &str) -> Self {
        let reason = Reason::Part { part: self, predicate: "is not an ARN" };
        Self(Box::new(Inner { field, value: value.to_owned(), reason }))
    }

    /// What the text names, such as "role name".
    pub fn field(&self) -> &'static str {
        self.0.field
    }

    /// The text.
    pub fn value(&self) -> &str {
        &self.0.value
    }

    /// The rule that the text, or the wrong part of it, breaks.
    pub fn rule(&self) -> &str {
        match &self.0.reason {
            Reason::Rule { rule, .. } => rule,
            Reason::Part { part, .. } => part.rule(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&Hint> {
        match &self.0.reason {
            Reason::Rule { hint, .. } => hint.as_ref(),
            Reason::Part { part, .. } => part.hint(),
        }
    }

    /// The wrong part of the text, where the rest of it is valid.
    pub fn part(&self) -> Option<&Self> {
        match &self.0.reason {
            Reason::Rule { .. } => None,
            Reason::Part { part, .. } => Some(part),
        }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { field, value, reason } = &*self.0;
        match reason {
            Reason::Rule { rule, .. } => write!(f, "{field} {}: {rule}", shown(value)),
            Reason::Part { predicate, .. } => write!(f, "{field} {value:?} {predicate}"),
        }
    }
}

impl StdError for InvalidName {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.part().map(|part| part as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, ErrorKind};
    use crate::hint::Hint;
    use crate::name::{RoleArn, Subject};

    #[test]
    fn names_the_whole_and_the_wrong_part() {
        let text = "arn:aws:iam::12:role/a";
        let invalid = text.parse::<RoleArn>().unwrap_err();
        assert_eq!((invalid.field(), invalid.value()), ("role ARN", text));
        assert_eq!(invalid.part().map(|part| (part.field(), part.value())), Some(("account id", "12")));
        assert_eq!(invalid.to_string(), format!("role ARN {text:?} is not valid"));
        assert!(invalid.rule().starts_with("must be 12 digits"), "{}", invalid.rule());
    }

    #[test]
    fn becomes_an_error_with_the_same_words() {
        let invalid = "a*/b".parse::<Subject>().unwrap_err();
        let error = Error::from(invalid.clone());
        assert_eq!((error.kind(), error.hint()), (ErrorKind::InvalidInput, Some(&Hint::NameNamespaces)));
        assert_eq!(error.to_string(), invalid.to_string());
        assert_eq!(error.causes(), [invalid.part().unwrap().to_string()]);
        let context = [("field", "namespace"), ("value", "a*"), ("value", "a*/b")];
        assert_eq!(error.context(), context.map(|(key, value)| (key, value.to_owned())));
    }
}
