//! Who asks: a holder of an OIDC token, such as a service account, as STS sees it.

use crate::error::{Error, Result};
use crate::name::{Issuer, Namespace, ProviderArn, SUBJECT_PREFIX, ServiceAccountName};
use crate::trust::issuers::IssuerKind;

/// An audience that no document can name, since IAM takes no character beyond Latin-1: who is let in with it is let in with
/// any that is not named.
pub(in crate::trust) const UNNAMED_AUDIENCE: &str = "any audience \u{2026}";

/// A caller of `sts:AssumeRoleWithWebIdentity`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebIdentityCaller {
    /// The OIDC provider in the role's account: gives issuer, account and partition.
    pub provider: ProviderArn,
    /// The token's `sub` claim, such as `system:serviceaccount:default:my-serviceaccount`.
    pub subject: String,
    /// The token's audience: the one that the provider accepted.
    pub audience: String,
}

impl WebIdentityCaller {
    /// A caller by its claims.
    pub fn new(provider: ProviderArn, subject: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { provider, subject: subject.into(), audience: audience.into() }
    }

    /// A service account, written `NAMESPACE/NAME`; a text that is a `sub` claim already is taken as it is.
    ///
    /// # Errors
    /// `InvalidInput` where it is neither.
    pub fn service_account(provider: ProviderArn, text: &str, audience: impl Into<String>) -> Result<Self> {
        Ok(Self::new(provider, service_account_claim(text)?, audience))
    }

    /// A caller by its subject, as [`subject_claim`] reads it.
    ///
    /// # Errors
    /// `InvalidInput`, as [`subject_claim`].
    pub fn of_subject(provider: ProviderArn, text: &str, audience: impl Into<String>) -> Result<Self> {
        let subject = subject_claim(provider.issuer(), text)?;
        Ok(Self::new(provider, subject, audience))
    }
}

/// The `sub` claim that a text means in tokens of an issuer.
///
/// Of a cluster it is a service account, `NAMESPACE/NAME` or its claim. Of a service such as GitHub Actions it is the claim as
/// it is written. Where nothing is known of the issuer, a service account is read as one, and any other text is the claim.
///
/// # Errors
/// `InvalidInput` for an empty text, and where the issuer is that of a cluster, or the text begins as the claim of a service
/// account does, and it is not a service account.
///
/// ```
/// use irsa_core::trust::subject_claim;
///
/// let github = "https://token.actions.githubusercontent.com".parse()?;
/// let subject = "repo:octo-org/octo-repo:ref:refs/heads/main";
/// assert_eq!(subject_claim(&github, subject)?, subject);
///
/// let cluster = "https://oidc.eks.us-east-1.amazonaws.com/id/A".parse()?;
/// assert_eq!(subject_claim(&cluster, "jobs/worker")?, "system:serviceaccount:jobs:worker");
/// assert!(subject_claim(&cluster, subject).is_err());
/// # Ok::<(), irsa_core::Error>(())
/// ```
pub fn subject_claim(issuer: &Issuer, text: &str) -> Result<String> {
    if text.is_empty() {
        return Err(Error::invalid("subject", text, "must not be empty"));
    }
    match IssuerKind::of(issuer) {
        IssuerKind::Service(..) => Ok(text.to_owned()),
        IssuerKind::Unknown if !text.starts_with(SUBJECT_PREFIX) => {
            Ok(service_account_claim(text).unwrap_or_else(|_| text.to_owned()))
        }
        IssuerKind::Cluster | IssuerKind::Unknown => service_account_claim(text),
    }
}

/// The `sub` claim of a service account, written `NAMESPACE/NAME`; one that is a claim already is taken as it is.
///
/// # Errors
/// `InvalidInput` where it is neither.
pub fn service_account_claim(text: &str) -> Result<String> {
    // A `:` is in the subjects of other issuers, and in no name.
    let named = match text.strip_prefix(SUBJECT_PREFIX) {
        Some(claim) => claim.split_once(':'),
        None => text.split_once('/').filter(|_| !text.contains(':')),
    };
    let (namespace, name) =
        named.ok_or_else(|| Error::invalid("subject", text, "must have the form NAMESPACE/NAME"))?;
    let (namespace, name) = (Namespace::new(namespace)?, ServiceAccountName::new(name)?);
    Ok(format!("{SUBJECT_PREFIX}{namespace}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_its_issuer_writes_it() {
        let claim = |issuer: &str, text: &str| subject_claim(&issuer.parse().unwrap(), text).ok();
        let account = Some("system:serviceaccount:jobs:a.b".to_owned());
        for cluster in ["https://oidc.eks.us-east-1.amazonaws.com/id/A", "https://oidc.example.com/id/A"] {
            assert_eq!(claim(cluster, "jobs/a.b"), account);
            assert_eq!(claim(cluster, "system:serviceaccount:jobs:a.b"), account);
            assert_eq!(claim(cluster, "system:serviceaccount:jobs"), None);
            assert_eq!(claim(cluster, ""), None);
        }
        for text in ["a", "a/b/c", "Jobs/a", "repo:org/app:ref:refs/heads/main"] {
            assert_eq!(claim("https://oidc.eks.us-east-1.amazonaws.com/id/A", text), None, "{text}");
            assert_eq!(claim("https://oidc.example.com/id/A", text).as_deref(), Some(text));
        }
        // The names of a group and a project are no service account.
        for text in ["a", "jobs/a", "system:serviceaccount:jobs:a", "us-east-1:12345678-dead-beef-cafe-123456790ab0"] {
            assert_eq!(claim("https://gitlab.com", text).as_deref(), Some(text));
        }
        assert_eq!(claim("https://gitlab.com", ""), None);
    }
}
