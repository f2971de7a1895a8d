//! Who asks: a service account with a projected token, as STS sees it.

use crate::error::{Error, Result};
use crate::name::{Namespace, ProviderArn, ServiceAccountName};

/// What every service account's `sub` claim begins with (Kubernetes documentation, "Managing Service Accounts").
pub(crate) const SUBJECT_PREFIX: &str = "system:serviceaccount:";

/// An audience that no document can name, since IAM takes no character beyond Latin-1: who is let in with it is let in with
/// any that is not named.
pub(in crate::trust) const UNNAMED_AUDIENCE: &str = "any audience \u{2026}";

/// A caller of `sts:AssumeRoleWithWebIdentity`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The OIDC provider in the role's account: gives issuer, account and partition.
    pub provider: ProviderArn,
    /// The token's `sub` claim, such as `system:serviceaccount:default:my-serviceaccount`.
    pub subject: String,
    /// The token's audience: the one that the provider accepted.
    pub audience: String,
}

impl Caller {
    /// A caller by its claims.
    pub fn new(provider: ProviderArn, subject: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { provider, subject: subject.into(), audience: audience.into() }
    }

    /// A service account, written `NAMESPACE/NAME`; a text that is a `sub` claim already is taken as it is.
    ///
    /// # Errors
    /// `InvalidInput` where it is neither.
    pub fn service_account(provider: ProviderArn, text: &str, audience: impl Into<String>) -> Result<Self> {
        let named = text.strip_prefix(SUBJECT_PREFIX).map_or_else(|| text.split_once('/'), |rest| rest.split_once(':'));
        let (namespace, name) =
            named.ok_or_else(|| Error::invalid("subject", text, "must have the form NAMESPACE/NAME"))?;
        let (namespace, name) = (Namespace::new(namespace)?, ServiceAccountName::new(name)?);
        Ok(Self::new(provider, format!("{SUBJECT_PREFIX}{namespace}:{name}"), audience))
    }
}
