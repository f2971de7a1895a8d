//! What exists: a binding as `get` and `list` show it, whoever made it.

use serde::{Deserialize, Serialize};

use crate::text::word_enum;

word_enum! {
    /// The state of a binding.
    pub enum BindingState {
        /// Role, trust, provider, service account and annotation fit.
        Ok = "ok",
        /// Role and service account exist, but something between them does not fit.
        Drifted = "drifted",
        /// The annotation names a role that does not exist.
        Dangling = "dangling",
        /// The role trusts the service account, but no annotation names it.
        Unbound = "unbound",
        /// Something could not be read, so the state is not known.
        Unknown = "unknown",
    }
}

word_enum! {
    /// The stable ids of issues.
    pub enum IssueId {
        /// The annotation is not the ARN of a role.
        AnnotationMalformed = "annotation-malformed",
        /// The annotation names a role of another account, which is not read.
        RoleElsewhere = "role-elsewhere",
        /// The annotation names a role that does not exist.
        RoleMissing = "role-missing",
        /// The annotation names another role.
        AnnotationDiffers = "annotation-differs",
        /// The service account does not exist.
        AccountMissing = "account-missing",
        /// The service account has no annotation.
        AnnotationMissing = "annotation-missing",
        /// The cluster's OIDC provider does not exist in IAM.
        ProviderMissing = "provider-missing",
        /// The OIDC provider does not accept the audience of the tokens.
        AudienceRefused = "audience-refused",
        /// The trust policy could not be read.
        TrustUnreadable = "trust-unreadable",
        /// Whether the trust policy trusts the service account depends on conditions that cannot be evaluated.
        SubjectInDoubt = "subject-in-doubt",
        /// The trust policy does not trust the service account.
        SubjectNotTrusted = "subject-not-trusted",
        /// The trust policy trusts more than the names of one namespace.
        TrustWide = "trust-wide",
    }
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issue {
    /// Its stable id.
    pub id: IssueId,
    /// What does not fit.
    pub message: String,
}

impl Issue {
    /// An issue with this id.
    pub fn new(id: IssueId, message: impl Into<String>) -> Self {
        Self { id, message: message.into() }
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
