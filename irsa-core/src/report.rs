//! What was done, or would be: the plain data that every front end shows.

use serde::{Deserialize, Serialize};

use crate::hint::{Dialect, Hint};
use crate::name::{RoleArn, RoleName};

/// What became of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It would be done: this is a dry run.
    Planned,
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// An earlier step failed, so it was not begun.
    NotRun,
    /// It had been done and was rolled back, because a later step was refused for good.
    RolledBack,
}

/// One change, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// What is done, such as `create_role`.
    pub action: String,
    /// What it is done to, such as a role's name or `NAMESPACE/NAME`.
    pub target: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The new or the lost value, such as an inline document in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

/// A fact that did not stop the work but that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The stable id, such as `nothing-to-remove`.
    pub id: WarningId,
    /// The fact in words.
    pub message: String,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
}

impl Warning {
    /// A warning of an id.
    pub fn new(id: WarningId, message: impl Into<String>) -> Self {
        Self { id, message: message.into(), hint: None }
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The stable ids of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WarningId {
    /// The role has no permissions at all.
    NoPolicies,
    /// What was to be removed is not there.
    NothingToRemove,
    /// The role was kept on delete; the message says why.
    RoleKept,
    /// The service account was kept on delete; the message says why.
    AccountKept,
    /// A pattern lets in every service account whose name fits.
    PatternLetsIn,
    /// That this is the right cluster could not be checked.
    ClusterUnverified,
    /// The quotas of the account could not be read.
    QuotasUnknown,
    /// That the service account may be written could not be checked, or may not be.
    WriteUnverified,
    /// A managed policy could not be looked up.
    PolicyUnverified,
    /// A subject without a tag was taken out of irsa's own statement.
    SubjectWithoutTag,
    /// The role was adopted: it was made by somebody else.
    Adopted,
    /// The role was taken over: gen3's script made it for this very service account.
    TakenOver,
    /// The role that was adopted is managed by another tool, which may revert or delete it.
    ManagedElsewhere,
    /// Something that a file says cannot be honoured; the message says where it stands.
    NotHonoured,
    /// Something exists that a manifest cannot say.
    NotExpressed,
    /// The role was made by somebody else and is as it was asked for, so that it is left alone.
    NotManaged,
    /// The audience of a shared role changed, and not every account was told.
    AudienceChanged,
    /// A foreign statement in the trust policy lets in more than the declared subjects.
    ForeignTrust,
    /// A removed subject may use the session it has until that ends.
    SessionsRemain,
    /// What was made in this run and could not be rolled back.
    LeftBehind,
    /// The tags of the role could not be written together with it.
    TagsSeparate,
    /// Another writer changed the role at the same time, and the write was repeated.
    Repeated,
    /// The service accounts of a cluster could not be read, so that they were not judged.
    ClusterUnread,
    /// The OIDC providers of the account could not be read, so that they were not judged.
    ProvidersUnread,
    /// A document is a permissions policy, so that it was not audited.
    PermissionsPolicySkipped,
    /// The credential plug-in of the kubeconfig is not installed, and irsa made the token in its place.
    PluginReplaced,
    /// A role that is named by its ARN cannot be read, so whether it trusts the service account was not verified.
    TrustUnverified,
    /// The API server sent this warning with an answer (`Warning` header), as kubectl shows them.
    ApiServer,
    /// The namespace of a service account is being deleted, and the service account with it.
    NamespaceTerminating,
}

impl WarningId {
    /// The id in kebab case, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPolicies => "no-policies",
            Self::NothingToRemove => "nothing-to-remove",
            Self::RoleKept => "role-kept",
            Self::AccountKept => "account-kept",
            Self::PatternLetsIn => "pattern-lets-in",
            Self::ClusterUnverified => "cluster-unverified",
            Self::QuotasUnknown => "quotas-unknown",
            Self::WriteUnverified => "write-unverified",
            Self::PolicyUnverified => "policy-unverified",
            Self::SubjectWithoutTag => "subject-without-tag",
            Self::Adopted => "adopted",
            Self::TakenOver => "taken-over",
            Self::ManagedElsewhere => "managed-elsewhere",
            Self::NotHonoured => "not-honoured",
            Self::NotExpressed => "not-expressed",
            Self::NotManaged => "not-managed",
            Self::AudienceChanged => "audience-changed",
            Self::ForeignTrust => "foreign-trust",
            Self::SessionsRemain => "sessions-remain",
            Self::LeftBehind => "left-behind",
            Self::TagsSeparate => "tags-separate",
            Self::Repeated => "repeated",
            Self::ClusterUnread => "cluster-unread",
            Self::ProvidersUnread => "providers-unread",
            Self::PermissionsPolicySkipped => "permissions-policy-skipped",
            Self::PluginReplaced => "plugin-replaced",
            Self::TrustUnverified => "trust-unverified",
            Self::ApiServer => "api-server",
            Self::NamespaceTerminating => "namespace-terminating",
        }
    }
}

/// What is on the role and was not declared: it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Extra {
    /// A managed policy.
    ManagedPolicy {
        /// Its ARN.
        arn: String,
    },
    /// An inline policy.
    InlinePolicy {
        /// Its name.
        name: String,
    },
    /// A subject in irsa's own statements.
    Subject {
        /// `[CLUSTER:]NAMESPACE/NAME`.
        subject: String,
    },
    /// A statement of the trust policy that irsa did not write.
    TrustStatement {
        /// Its Sid, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sid: Option<String>,
        /// The statement.
        statement: serde_json::Value,
    },
}

/// What one request did, or would do.
///
/// `steps` holds only what changes: a binding that was as wanted has none, and `changed` is false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// `NAMESPACE/NAME` of the service account.
    pub binding: String,
    /// The role's name; for a delete that found nothing, none.
    pub role_name: Option<RoleName>,
    /// The role's ARN.
    pub role_arn: Option<RoleArn>,
    /// Whether anything was changed (for a dry run: would be).
    pub changed: bool,
    /// What was changed, in the order in which it was begun.
    pub steps: Vec<StepReport>,
    /// What is there and was not declared.
    pub extra: Vec<Extra>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl Report {
    /// The report with its hints in the words of a front end.
    #[must_use]
    pub fn spelt(&self, dialect: &dyn Dialect) -> Self {
        let mut report = self.clone();
        for warning in &mut report.warnings {
            warning.hint = warning.hint.take().and_then(|hint| hint.spelt(dialect));
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_ids_are_spelt_the_same_in_json_and_text() {
        for id in [WarningId::NoPolicies, WarningId::NothingToRemove, WarningId::RoleKept, WarningId::SubjectWithoutTag]
        {
            assert_eq!(serde_json::to_value(id).ok(), Some(serde_json::Value::from(id.as_str())));
        }
    }
}
