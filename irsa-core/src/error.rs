//! The one error of the library: what was being done, why it failed, what to do about it.

mod conflict;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::conflict::ConflictReason;
use crate::hint::Hint;
use crate::name::InvalidName;
use crate::report::Report;
use crate::text::placeholder::{Placeholder, placeholders};
use crate::text::shown;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The code of an error (kind `Unavailable`) of a server whose certificate is not trusted. Trying again does not help.
pub const UNTRUSTED_CERTIFICATE: &str = "UntrustedCertificate";

/// What kind of failure it is: the cases that a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input alone is wrong; nothing was called.
    InvalidInput,
    /// A cluster, provider, policy, namespace or binding that was named does not exist.
    NotFound,
    /// The name is taken by something that belongs to another binding.
    AlreadyExists,
    /// The role exists without an owner tag of irsa, and adoption was not asked for.
    NotOwned,
    /// Two wishes contradict each other: another field manager, another role's annotation, a writer at the same time.
    Conflict,
    /// AWS or the API server refused the call for want of rights or of valid credentials. What no caller may do, because an
    /// admission webhook or policy of the cluster refuses it, is a [`Conflict`](Self::Conflict).
    AccessDenied,
    /// A quota of IAM, or a ResourceQuota of a namespace, would be exceeded or was exceeded.
    QuotaExceeded,
    /// Calls were throttled for longer than the retries go on.
    Throttled,
    /// An endpoint could not be reached, or answered that it cannot serve.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// The API server is not the one of the cluster that was named.
    WrongCluster,
    /// The caller asked to stop, between two steps.
    Interrupted,
    /// An answer that the library cannot make sense of.
    Unexpected,
}

impl ErrorKind {
    /// The kind in snake case, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::NotOwned => "not_owned",
            Self::Conflict => "conflict",
            Self::AccessDenied => "access_denied",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::WrongCluster => "wrong_cluster",
            Self::Interrupted => "interrupted",
            Self::Unexpected => "unexpected",
        }
    }

    /// Whether the same call can succeed without anybody changing anything.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Timeout)
    }

    /// Whether the refusal is for good: the same call would be refused again, and it had no effect.
    pub(crate) fn is_permanent(self) -> bool {
        matches!(self, Self::AccessDenied | Self::InvalidInput | Self::QuotaExceeded)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error of irsa.
///
/// `Display` says what was being done; [`source`](StdError::source) says why it failed; [`hint`](Self::hint) what to do.
/// A failed apply carries the [`Report`] of what had been done.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    code: Option<String>,
    reason: Option<ConflictReason>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    hint: Option<Hint>,
    report: Option<Report>,
}

/// A cause that is only text, such as the message of an API.
#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

/// A cause that tells all that is behind it in its own text.
struct Summary {
    text: String,
    source: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// As the text: what is behind it may print requests, with what is secret in them.
impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Summary").field(&self.text).finish()
    }
}

impl StdError for Summary {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

impl Error {
    /// An error of a kind, with what was being done, such as "cannot attach policy P to role R".
    pub fn new(kind: ErrorKind, operation: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.into(),
            context: Vec::new(),
            code: None,
            reason: None,
            source: None,
            hint: None,
            report: None,
        }))
    }

    /// Refused from the input alone: names the field, the value and the rule it breaks.
    pub fn invalid(field: &'static str, value: impl Into<String>, rule: impl fmt::Display) -> Self {
        let value = value.into();
        let error = Self::new(ErrorKind::InvalidInput, format!("{field} {}: {rule}", shown(&value)));
        // A name of nothing but x is a name all the same.
        let is_open = |open: &Placeholder<'_>| !open.text.chars().all(|c| c == 'x');
        let error = match placeholders(&value).into_iter().find(is_open) {
            Some(open) => error.with_hint(Hint::FillIn { placeholder: open.text.to_owned() }),
            None => error,
        };
        error.with_context("field", field).with_context("value", value)
    }

    /// Adds why it failed, as text.
    #[must_use]
    pub fn with_cause(self, cause: impl Into<String>) -> Self {
        self.with_source(Cause(cause.into()))
    }

    /// Adds why it failed: told by `text` alone, while callers find `source` itself behind it.
    #[cfg(any(feature = "aws", feature = "kube"))]
    #[must_use]
    pub(crate) fn with_summary(self, text: String, source: Box<dyn StdError + Send + Sync>) -> Self {
        self.with_source(Summary { text, source })
    }

    /// Adds why it failed.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Adds the error code of the service, such as `NoSuchEntity`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Makes it a [`Conflict`](ErrorKind::Conflict) for a reason.
    #[must_use]
    pub fn with_conflict_reason(mut self, reason: ConflictReason) -> Self {
        self.0.kind = ErrorKind::Conflict;
        self.0.reason = Some(reason);
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds which rights to grant, where it was refused for want of rights.
    #[must_use]
    pub(crate) fn granting(self, rights: &str) -> Self {
        if self.kind() == ErrorKind::AccessDenied { self.with_hint(format!("grant {rights}")) } else { self }
    }

    /// Adds a fact about the place of the failure.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((key, value.into()));
        self
    }

    /// Adds what had been done when it failed.
    #[must_use]
    pub fn with_report(mut self, report: Report) -> Self {
        self.0.report = Some(report);
        self
    }

    /// Adds warnings to the report, if it has one.
    #[must_use]
    pub(crate) fn with_more_warnings(mut self, warnings: Vec<crate::report::Warning>) -> Self {
        if let Some(report) = &mut self.0.report {
            report.warnings.extend(warnings);
        }
        self
    }

    /// The same failure seen from one level up: this error becomes the cause, kind, code and hint stay.
    #[must_use]
    pub fn during(self, operation: impl Into<Cow<'static, str>>) -> Self {
        let mut outer = Self::new(self.kind(), operation);
        outer.0.code.clone_from(&self.0.code);
        outer.0.reason = self.0.reason;
        outer.0.hint.clone_from(&self.0.hint);
        outer.0.report.clone_from(&self.0.report);
        outer.0.context.clone_from(&self.0.context);
        outer.with_source(self)
    }

    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The error code of the service, such as `NoSuchEntity`, where a service answered.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What the request conflicts with, where the kind is [`Conflict`](ErrorKind::Conflict) and the reason is known.
    pub fn conflict_reason(&self) -> Option<ConflictReason> {
        self.0.reason
    }

    /// Whether the same call would be refused again, and had no effect or one that is not wanted.
    pub(crate) fn is_permanent(&self) -> bool {
        self.kind().is_permanent() || self.conflict_reason().is_some_and(ConflictReason::is_permanent)
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&Hint> {
        self.0.hint.as_ref()
    }

    /// Facts about the place of the failure, such as `("field", "role name")`.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// What had been done when it failed, if anything was begun.
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_ref()
    }

    /// The chain of causes, outermost first, each once.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(error) = next {
            let text = error.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = error.source().filter(|_| !error.is::<Summary>());
        }
        causes
    }
}

/// `InvalidInput`, with the words, the fields and the hint of the invalid name.
impl From<InvalidName> for Error {
    fn from(invalid: InvalidName) -> Self {
        match invalid.part() {
            Some(part) => Self::from(part.clone()).during(invalid.to_string()).with_context("value", invalid.value()),
            None => {
                let error = Self::invalid(invalid.field(), invalid.value(), invalid.rule());
                match invalid.hint() {
                    Some(hint) => error.with_hint(hint.clone()),
                    None => error,
                }
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.operation)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("operation", &inner.operation)
            .field("code", &inner.code)
            .field("reason", &inner.reason)
            .field("causes", &self.causes())
            .field("hint", &inner.hint)
            .field("context", &inner.context)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_what_and_source_says_why() {
        let error = Error::new(ErrorKind::AccessDenied, "cannot create role r")
            .with_cause("AccessDenied: not authorized")
            .with_code("AccessDenied");
        assert_eq!(error.to_string(), "cannot create role r");
        assert_eq!(error.causes(), ["AccessDenied: not authorized"]);
    }

    #[test]
    fn during_keeps_kind_code_and_hint() {
        let error = Error::new(ErrorKind::Throttled, "inner").with_code("Throttling").with_hint("wait").during("outer");
        assert_eq!(
            (error.kind(), error.code(), error.hint()),
            (ErrorKind::Throttled, Some("Throttling"), Some(&Hint::from("wait")))
        );
        assert_eq!((error.to_string().as_str(), error.causes()), ("outer", vec!["inner".to_owned()]));
    }

    #[test]
    fn kinds_are_spelt_the_same_in_json_and_text() {
        for kind in [ErrorKind::InvalidInput, ErrorKind::NotOwned, ErrorKind::WrongCluster, ErrorKind::Unexpected] {
            assert_eq!(serde_json::to_value(kind).ok(), Some(serde_json::Value::from(kind.as_str())));
        }
    }

    #[test]
    fn placeholders_in_refused_values_are_to_be_filled_in() {
        for (value, placeholder) in [
            ("${CLUSTER_NAME}", "${CLUSTER_NAME}"),
            ("arn:aws:iam::<account>:role/x", "<account>"),
            ("{{ name }}-sa", "{{ name }}"),
        ] {
            let hint = Hint::FillIn { placeholder: placeholder.to_owned() };
            assert_eq!(Error::invalid("name", value, "must be a name").hint(), Some(&hint));
        }
        assert_eq!(Error::invalid("name", "a b", "must be a name").hint(), None);
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        let error = Error::invalid("role name", "x".repeat(5000), "1 to 64 characters");
        assert!(error.to_string().len() < 250, "{error}");
    }
}
