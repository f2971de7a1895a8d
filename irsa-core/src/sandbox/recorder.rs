//! What a call of a back-end method is, and how a test says which calls it means.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::text::{did_you_mean, nearest};

/// The methods that a sandbox has, as [`Call::method`] and [`At`] name them.
pub const METHODS: &[&str] = &[
    "add_audience",
    "allowed",
    "apply_service_account",
    "attach_policy",
    "attached_policies",
    "caller_identity",
    "cluster",
    "config_value",
    "create_namespace",
    "create_provider",
    "create_role",
    "delete_inline_policy",
    "delete_provider",
    "delete_role",
    "delete_service_account",
    "detach_policy",
    "dry_run_service_account",
    "exchange",
    "fingerprint",
    "inline_policy",
    "inline_policy_names",
    "instance_profiles",
    "namespace",
    "namespaces",
    "policies",
    "policy",
    "policy_version",
    "provider",
    "providers",
    "put_inline_policy",
    "put_permissions_boundary",
    "quotas",
    "remove_annotations",
    "role",
    "roles",
    "service_account",
    "service_accounts",
    "service_accounts_in",
    "tag_role",
    "untag_role",
    "update_role",
    "update_trust_policy",
];

/// Whether a call can change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It changes nothing; a dry run is one of these.
    Read,
    /// It may change something.
    Write,
}

/// One call of a method of a back-end trait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The number of the call, from 1 since the sandbox was made.
    pub number: u64,
    /// The method of the trait, such as `attach_policy`; an apply as dry run is `dry_run_service_account`.
    pub method: &'static str,
    /// What it was about: the name of a role, an ARN, `NAMESPACE/NAME`, ...
    pub target: String,
    /// Whether it could change anything.
    pub access: Access,
    /// When it began, counted from the beginning of the first call that is remembered.
    pub started: Duration,
    /// When it ended; nothing while it runs, or if it was dropped before its end.
    pub ended: Option<Duration>,
}

/// Which calls a fault concerns. Calls are counted from 1, from the moment the fault is set.
///
/// Made by its functions, or from a number (that call), a name (every call of that method), or both (that call of that
/// method): `3`, `"attach_policy"`, `("attach_policy", 1)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    which: Which,
    first: u64,
    times: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    Any,
    Writes,
    Method(String),
}

impl At {
    /// The `n`th call from now.
    pub fn call(n: u64) -> Self {
        Self { which: Which::Any, first: n.max(1), times: 1 }
    }

    /// The `n`th write from now.
    pub fn write(n: u64) -> Self {
        Self { which: Which::Writes, ..Self::call(n) }
    }

    /// The `n`th call of a method from now.
    pub fn method(name: impl Into<String>, n: u64) -> Self {
        Self { which: Which::Method(name.into()), ..Self::call(n) }
    }

    /// Every call of a method.
    pub fn every(name: impl Into<String>) -> Self {
        Self::method(name, 1).times(u64::MAX)
    }

    /// Every call.
    pub fn always() -> Self {
        Self::call(1).times(u64::MAX)
    }

    /// This call and those after it of the same kind, `times` in all.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// The methods that it names, where it names one that no sandbox has.
    ///
    /// # Errors
    /// `InvalidInput` with the nearest names.
    pub fn checked(self) -> Result<Self> {
        match &self.which {
            Which::Method(name) if !METHODS.contains(&name.as_str()) => {
                let error = Error::invalid("method", name, "is not a method of the sandbox");
                Err(match did_you_mean(&nearest(name, METHODS.iter().copied())) {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                })
            }
            _ => Ok(self),
        }
    }

    pub(super) fn concerns(&self, method: &str, access: Access) -> bool {
        match &self.which {
            Which::Any => true,
            Which::Writes => access == Access::Write,
            Which::Method(name) => name == method,
        }
    }

    /// Whether the `n`th of the calls that it concerns is one that it means.
    pub(super) fn includes(&self, n: u64) -> bool {
        n >= self.first && n - self.first < self.times
    }

    /// Whether any call that it means was among the first `n` that it concerns.
    pub(super) fn was_reached(&self, n: u64) -> bool {
        n >= self.first
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match &self.which {
            Which::Any => "any method",
            Which::Writes => "any write",
            Which::Method(name) => name,
        };
        match (self.first, self.times) {
            (first, 1) => write!(f, "call {first} of {of}"),
            (1, u64::MAX) => write!(f, "every call of {of}"),
            (first, u64::MAX) => write!(f, "every call of {of} from {first} on"),
            (first, times) => write!(f, "calls {first} to {} of {of}", first.saturating_add(times - 1)),
        }
    }
}

impl From<u64> for At {
    fn from(n: u64) -> Self {
        Self::call(n)
    }
}

impl From<&str> for At {
    fn from(method: &str) -> Self {
        Self::every(method)
    }
}

impl From<(&str, u64)> for At {
    fn from((method, n): (&str, u64)) -> Self {
        Self::method(method, n)
    }
}
