//! What irsa needs from a cluster's API server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::{Namespace, ServiceAccountName};

/// The field manager of everything that irsa applies.
pub const FIELD_MANAGER: &str = "irsa";

/// The code of the error (kind `Unavailable`) of a dry run that an admission webhook on the way does not support.
pub const DRY_RUN_UNSUPPORTED: &str = "DryRunUnsupported";

/// A service account, with who owns its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ServiceAccountName,
    /// Its unique id: an account that is made anew has another one.
    pub uid: String,
    /// Changes with every write.
    pub resource_version: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Its `automountServiceAccountToken`; nothing where it is not set, which Kubernetes takes for true.
    #[serde(default)]
    pub automount_token: Option<bool>,
    /// Who manages which fields (Kubernetes documentation, "Server-Side Apply", `managedFields`).
    #[serde(default)]
    pub owners: Vec<FieldOwner>,
    /// Whether it is being deleted, and only stays until its finalizers are done.
    #[serde(default)]
    pub deleting: bool,
}

/// The fields of an account that one manager owns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldOwner {
    /// The manager: `irsa`, `helm`, `kubectl-client-side-apply`, ...
    pub manager: String,
    /// Whether it owns them by server-side apply; otherwise by update.
    #[serde(default)]
    pub apply: bool,
    /// Keys of annotations.
    #[serde(default)]
    pub annotations: BTreeSet<String>,
    /// Keys of labels.
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// Whether it owns `automountServiceAccountToken`.
    #[serde(default)]
    pub automount_token: bool,
    /// Whether it owns any other field, such as `secrets` or `imagePullSecrets`.
    #[serde(default)]
    pub other_fields: bool,
}

impl ServiceAccount {
    /// The manager, other than irsa, that owns an annotation.
    pub fn annotation_owner(&self, key: &str) -> Option<&str> {
        let mut others = self.owners.iter().filter(|owner| owner.manager != FIELD_MANAGER);
        others.find(|owner| owner.annotations.contains(key)).map(|owner| owner.manager.as_str())
    }
}

/// The fields of an account that irsa applies: what it owns and what it wants, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServiceAccount {
    /// The namespace.
    pub namespace: Namespace,
    /// The name.
    pub name: ServiceAccountName,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `automountServiceAccountToken`; nothing where irsa does not set it.
    pub automount_token: Option<bool>,
    /// What must still be so for the write to happen; else `Conflict`.
    pub precondition: Precondition,
}

/// What an account must be like for a write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Whatever is there, or nothing.
    #[default]
    Anything,
    /// There is no such account.
    Absent,
    /// It is this one, and nobody has changed it since it was read.
    Version {
        /// Its uid.
        uid: String,
        /// Its resource version.
        resource_version: String,
    },
}

impl Precondition {
    /// The account as it was read.
    pub fn unchanged(account: &ServiceAccount) -> Self {
        Self::Version { uid: account.uid.clone(), resource_version: account.resource_version.clone() }
    }
}

/// Whether a call only checks what it would write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DryRun {
    /// Everything is checked and nothing is written. An API server runs admission too (`dryRun=All`).
    Yes,
    /// The write happens.
    #[default]
    No,
}

impl From<bool> for DryRun {
    fn from(dry_run: bool) -> Self {
        if dry_run { Self::Yes } else { Self::No }
    }
}

/// Whether a call may overrule others, such as another field manager or the roles that trust a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Takeover {
    /// It overrules them.
    Force,
    /// It is refused.
    #[default]
    Refuse,
}

impl From<bool> for Takeover {
    fn from(force: bool) -> Self {
        if force { Self::Force } else { Self::Refuse }
    }
}

/// A namespace that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterNamespace {
    /// Its name.
    pub name: String,
    /// Whether it is being deleted: nothing can be created in it, what it holds can still be changed.
    #[serde(default)]
    pub terminating: bool,
}

/// One question of what we may do (Kubernetes API reference, `SelfSubjectAccessReview`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessReview {
    /// `get`, `list`, `create`, `patch`, `delete`.
    pub verb: &'static str,
    /// `serviceaccounts` or `namespaces`.
    pub resource: &'static str,
    /// The namespace asked about.
    pub namespace: Option<Namespace>,
}

/// What tells which cluster an API server is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiServerFingerprint {
    /// The user chose it by name of a context or file, so that an unverifiable one is only a warning.
    pub chosen: bool,
    /// The issuer that the API server's discovery document gives; absent when it may not be read.
    pub issuer: Option<String>,
    /// The `iss` of the service-account token that we ourselves use.
    pub token_issuer: Option<String>,
    /// The URL that the API server is reached by.
    pub endpoint: Option<String>,
    /// The certificate authority that it is trusted by: PEM in base64.
    pub certificate_authority: Option<String>,
}

impl ApiServerFingerprint {
    /// Whether the API server is reached at this URL; case and the port that the scheme implies make no difference.
    pub fn is_at(&self, endpoint: &str) -> bool {
        self.endpoint.as_deref().is_some_and(|own| same_endpoint(own, endpoint))
    }

    /// Whether the API server is trusted by one of these certificates: PEM in base64.
    pub fn is_trusted_by(&self, certificate_authority: &str) -> bool {
        let own = certificates(self.certificate_authority.as_deref().unwrap_or_default());
        certificates(certificate_authority).iter().any(|certificate| own.contains(certificate))
    }
}

/// Whether two URLs of API servers mean the same.
pub(crate) fn same_endpoint(one: &str, other: &str) -> bool {
    let plain = |url: &str| {
        let url = url.trim_end_matches('/');
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
        let host = if scheme == "https" { host.strip_suffix(":443").unwrap_or(&host) } else { &host };
        format!("{scheme}://{host}/{path}")
    };
    plain(one) == plain(other)
}

/// The certificates, each in DER, of PEM in base64; none where it is not that.
pub(crate) fn certificates(text: &str) -> Vec<Vec<u8>> {
    let pem = STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).unwrap_or_default();
    let pem = String::from_utf8_lossy(&pem);
    let bodies = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let bodies = bodies.filter_map(|body| body.split_once("-----END CERTIFICATE-----"));
    let base64 = bodies.map(|(body, _)| body.split_whitespace().collect::<String>());
    base64.filter_map(|body| STANDARD.decode(body).ok()).filter(|der| !der.is_empty()).collect()
}

/// The API server of one cluster. See the [contract of every method](crate::backend).
#[async_trait]
pub trait ClusterBackend: Debug + Send + Sync {
    /// Whether it is reached through EKS' own description of the cluster: then it is the right one by construction, and
    /// its calls wait for that description. No call.
    fn through_eks(&self) -> bool;

    /// What tells which cluster this is. At most one call; a refused discovery gives no issuer and no error.
    async fn fingerprint(&self) -> Result<ApiServerFingerprint>;

    /// A service account. One call.
    async fn service_account(&self, namespace: &Namespace, name: &ServiceAccountName)
    -> Result<Option<ServiceAccount>>;

    /// All service accounts of the cluster. One call a page.
    async fn service_accounts(&self) -> Result<Vec<ServiceAccount>>;

    /// All service accounts of a namespace. One call a page.
    async fn service_accounts_in(&self, namespace: &Namespace) -> Result<Vec<ServiceAccount>>;

    /// A namespace. One call.
    async fn namespace(&self, namespace: &Namespace) -> Result<Option<ClusterNamespace>>;

    /// All namespaces. One call a page.
    async fn namespaces(&self) -> Result<Vec<ClusterNamespace>>;

    /// Makes a namespace. Called twice: `AlreadyExists`.
    async fn create_namespace(&self, namespace: &Namespace) -> Result<()>;

    /// Its config maps, where the back end reads them too. No call.
    fn config_maps(&self) -> Option<&dyn ConfigMapReader> {
        None
    }

    /// Whether we may do something. One call; every authenticated user may ask.
    async fn allowed(&self, review: &AccessReview) -> Result<bool>;

    /// Makes or changes an account by server-side apply with field manager `irsa`.
    ///
    /// Fields that irsa owned and that are not sent are taken away; fields of others stay. A field that another manager
    /// owns with another value: `Conflict`, naming the manager, unless taken over. Called twice: no change. `NotFound` when
    /// the namespace is missing. `AccessDenied` when these credentials may not write it (RBAC), and only then. `Conflict` when
    /// `expected` no longer holds, and with the reasons [`NamespaceTerminating`](crate::ConflictReason::NamespaceTerminating)
    /// and [`Admission`](crate::ConflictReason::Admission) when the namespace is being deleted, or a webhook or policy of the
    /// cluster denies it; `QuotaExceeded` when a ResourceQuota does. A dry run that a webhook on the way does not support:
    /// `Unavailable` with the code [`DRY_RUN_UNSUPPORTED`].
    ///
    /// The answer is the account as it is, or would be, stored: webhooks and policies may have changed it. Of an account that
    /// a dry run would make, uid and resource version say nothing.
    async fn apply_service_account(
        &self,
        account: &NewServiceAccount,
        dry_run: DryRun,
        takeover: Takeover,
    ) -> Result<ServiceAccount>;

    /// Takes annotations away, but only if each has the value given and the resource version still holds.
    ///
    /// `Conflict` when somebody changed the account in between, or with a reason as for
    /// [`apply_service_account`](Self::apply_service_account); `NotFound` when it is gone. Called twice: `Conflict`. The answer
    /// is the account as it is stored: a webhook may have put annotations back.
    async fn remove_annotations(
        &self,
        account: &ServiceAccount,
        keys: &BTreeMap<String, String>,
    ) -> Result<ServiceAccount>;

    /// Deletes an account, with its uid and resource version as preconditions. `Conflict` when it changed, `NotFound` when
    /// it is gone.
    async fn delete_service_account(&self, account: &ServiceAccount) -> Result<()>;
}

/// Config maps of one cluster, for programs that are configured by them; bindings need none.
#[async_trait]
pub trait ConfigMapReader: Debug + Send + Sync {
    /// One entry of a config map; nothing where namespace, map or entry are missing. One call.
    async fn config_value(&self, namespace: &Namespace, map: &str, key: &str) -> Result<Option<String>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_compared_by_meaning() {
        let fingerprint = ApiServerFingerprint {
            endpoint: Some("https://ABC.eks.amazonaws.com".to_owned()),
            ..ApiServerFingerprint::default()
        };
        for same in ["https://abc.eks.amazonaws.com/", "HTTPS://abc.eks.amazonaws.com:443"] {
            assert!(fingerprint.is_at(same), "{same}");
        }
        for other in
            ["https://abc.eks.amazonaws.com:6443", "http://abc.eks.amazonaws.com", "https://abd.eks.amazonaws.com", ""]
        {
            assert!(!fingerprint.is_at(other), "{other}");
        }
        assert!(!ApiServerFingerprint::default().is_at(""));
    }

    #[test]
    fn authorities_are_compared_by_certificate() {
        let pem =
            |body: &str| STANDARD.encode(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"));
        let fingerprint =
            ApiServerFingerprint { certificate_authority: Some(pem("AAEC\nAwQF")), ..ApiServerFingerprint::default() };
        assert!(fingerprint.is_trusted_by(&pem("AAECAwQF")));
        let rotated = STANDARD.decode(pem("BBBB")).unwrap();
        let both = STANDARD.encode([rotated, STANDARD.decode(pem("AAECAwQF")).unwrap()].concat());
        assert!(fingerprint.is_trusted_by(&both));
        for other in [pem("BBBB"), pem(""), String::new(), "!".to_owned()] {
            assert!(!fingerprint.is_trusted_by(&other), "{other}");
        }
        assert!(!ApiServerFingerprint::default().is_trusted_by(""));
    }
}
