//! What exists: a binding as `get` and `list` show it, whoever made it.

use serde::{Deserialize, Serialize};

/// How a binding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BindingState {
    /// Role, trust, provider, account and annotation fit.
    Ok,
    /// Role and account are there, but something between them does not fit.
    Drifted,
    /// The annotation names a role that does not exist.
    Dangling,
    /// The role lets the service account in, but no annotation leads there.
    Unbound,
    /// Something could not be read, so nothing is said.
    Unknown,
}

impl BindingState {
    /// The state in snake case, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Drifted => "drifted",
            Self::Dangling => "dangling",
            Self::Unbound => "unbound",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Issue {
    /// Its stable id, such as `subject-not-trusted`.
    pub id: String,
    /// The thing in words.
    pub message: String,
}

impl Issue {
    pub(crate) fn new(id: &str, message: impl Into<String>) -> Self {
        Self { id: id.to_owned(), message: message.into() }
    }
}

/// A binding as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BindingStatus {
    /// The ARN of the cluster, or the issuer where that names it.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The service account; for a role that only patterns let in, the pattern.
    pub service_account: String,
    /// The role's name.
    pub role_name: Option<String>,
    /// The role's ARN, as it is or as the annotation gives it.
    pub role_arn: Option<String>,
    /// ARNs of the managed policies on the role.
    pub managed_policies: Vec<String>,
    /// Names of the inline policies on the role.
    pub inline_policies: Vec<String>,
    /// Every subject of the role on known clusters, `[CLUSTER:]NAMESPACE/NAME`; the cluster is left out where it is the
    /// binding's own.
    pub subjects: Vec<String>,
    /// The value of the account's `role-arn` annotation.
    pub annotation: Option<String>,
    /// `automountServiceAccountToken` of the service account, where it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automount_token: Option<bool>,
    /// Whether the role carries irsa's owner tag.
    pub owned: bool,
    /// `created` or `adopted`, where owned.
    pub origin: Option<String>,
    /// How it stands.
    pub state: BindingState,
    /// What does not fit.
    pub issues: Vec<Issue>,
}

/// The OIDC provider of a cluster as `provider show` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProviderStatus {
    /// The ARN of the cluster, or the issuer where that names it.
    pub cluster: String,
    /// The issuer's URL.
    pub issuer: String,
    /// The ARN that the provider has, or would have.
    pub arn: String,
    /// Whether it exists.
    pub exists: bool,
    /// The audiences that it takes.
    pub audiences: Vec<String>,
    /// Its tags.
    pub tags: std::collections::BTreeMap<String, String>,
    /// The roles that trust it, where that was asked for and could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_by: Option<Vec<String>>,
}
