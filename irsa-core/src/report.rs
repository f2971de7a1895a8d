//! What was done, or would be: the plain data that every front end shows.

use serde::{Deserialize, Serialize};

use crate::hint::{Dialect, Hint};
use crate::name::{RoleArn, RoleName};
use crate::text::word_enum;

word_enum! {
    /// What became of one step.
    pub enum Outcome {
        /// It would be done: this is a dry run.
        Planned = "planned",
        /// It was done.
        Done = "done",
        /// It failed.
        Failed = "failed",
        /// An earlier step failed, so it was not begun.
        NotRun = "not_run",
        /// It had been done and was rolled back, because a later step was refused for good.
        RolledBack = "rolled_back",
    }
}

word_enum! {
    /// The change that a step makes.
    pub enum Action {
        /// Creates a namespace.
        CreateNamespace = "create_namespace",
        /// Creates an OIDC provider.
        CreateProvider = "create_provider",
        /// Adds an audience to an OIDC provider.
        AddAudience = "add_audience",
        /// Deletes an OIDC provider.
        DeleteProvider = "delete_provider",
        /// Creates a role.
        CreateRole = "create_role",
        /// Replaces the trust policy of a role.
        UpdateTrustPolicy = "update_trust_policy",
        /// Changes description or session length of a role.
        UpdateRole = "update_role",
        /// Sets the permissions boundary of a role.
        PutPermissionsBoundary = "put_permissions_boundary",
        /// Adds or changes tags of a role.
        TagRole = "tag_role",
        /// Removes tags of a role.
        UntagRole = "untag_role",
        /// Attaches a managed policy.
        AttachPolicy = "attach_policy",
        /// Detaches a managed policy.
        DetachPolicy = "detach_policy",
        /// Creates or replaces an inline policy.
        PutInlinePolicy = "put_inline_policy",
        /// Deletes an inline policy.
        DeleteInlinePolicy = "delete_inline_policy",
        /// Deletes a role.
        DeleteRole = "delete_role",
        /// Creates a service account with its annotations.
        CreateServiceAccount = "create_service_account",
        /// Annotates a service account.
        AnnotateServiceAccount = "annotate_service_account",
        /// Deletes a service account.
        DeleteServiceAccount = "delete_service_account",
        /// Removes annotations of a service account.
        RemoveAnnotations = "remove_annotations",
    }
}

/// One change, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// The change.
    pub action: Action,
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
#[non_exhaustive]
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

    /// The warning with its hint in the words of a front end.
    #[must_use]
    pub fn spelt(mut self, dialect: &dyn Dialect) -> Self {
        self.hint = self.hint.and_then(|hint| hint.spelt(dialect));
        self
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

word_enum! {
    /// The stable ids of warnings.
    pub enum WarningId {
        /// The role has no permissions at all.
        NoPolicies = "no-policies",
        /// What was to be removed is not there.
        NothingToRemove = "nothing-to-remove",
        /// The role was kept on delete; the message says why.
        RoleKept = "role-kept",
        /// The service account was kept on delete; the message says why.
        AccountKept = "account-kept",
        /// A pattern lets in every service account whose name fits.
        PatternLetsIn = "pattern-lets-in",
        /// That this is the right cluster could not be checked.
        ClusterUnverified = "cluster-unverified",
        /// The quotas of the account could not be read.
        QuotasUnknown = "quotas-unknown",
        /// That the service account may be written could not be checked, or may not be.
        WriteUnverified = "write-unverified",
        /// A managed policy could not be looked up.
        PolicyUnverified = "policy-unverified",
        /// A subject without a tag was taken out of irsa's own statement.
        SubjectWithoutTag = "subject-without-tag",
        /// The role was adopted: it was made by somebody else.
        Adopted = "adopted",
        /// The role was taken over: gen3's script made it for this very service account.
        TakenOver = "taken-over",
        /// The role that was adopted is managed by another tool, which may revert or delete it.
        ManagedElsewhere = "managed-elsewhere",
        /// Something that a file says cannot be honoured; the message says where it stands.
        NotHonoured = "not-honoured",
        /// Something exists that a manifest cannot say.
        NotExpressed = "not-expressed",
        /// The role was made by somebody else and is as it was asked for, so that it is left alone.
        NotManaged = "not-managed",
        /// The audience of a shared role changed, and not every account was told.
        AudienceChanged = "audience-changed",
        /// A foreign statement in the trust policy lets in more than the declared subjects.
        ForeignTrust = "foreign-trust",
        /// A removed subject may use the session it has until that ends.
        SessionsRemain = "sessions-remain",
        /// What was made in this run and could not be rolled back.
        LeftBehind = "left-behind",
        /// The tags of the role could not be written together with it.
        TagsSeparate = "tags-separate",
        /// Another writer changed the role at the same time, and the write was repeated.
        Repeated = "repeated",
        /// The service accounts of a cluster could not be read, so that they were not judged.
        ClusterUnread = "cluster-unread",
        /// The OIDC providers of the account could not be read, so that they were not judged.
        ProvidersUnread = "providers-unread",
        /// A document is a permissions policy, so that it was not audited.
        PermissionsPolicySkipped = "permissions-policy-skipped",
        /// The credential plug-in of the kubeconfig is not installed, and irsa made the token in its place.
        PluginReplaced = "plugin-replaced",
        /// A role that is named by its ARN cannot be read, so whether it trusts the service account was not verified.
        TrustUnverified = "trust-unverified",
        /// The API server sent this warning with an answer (`Warning` header), as kubectl shows them.
        ApiServer = "api-server",
        /// The namespace of a service account is being deleted, and the service account with it.
        NamespaceTerminating = "namespace-terminating",
        /// An unfinished delete of the role was undone.
        DeleteUndone = "delete-undone",
    }
}

/// What is on the role and was not declared: it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undeclared {
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
    pub undeclared: Vec<Undeclared>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl Report {
    /// The report with its hints in the words of a front end.
    #[must_use]
    pub fn spelt(&self, dialect: &dyn Dialect) -> Self {
        let mut report = self.clone();
        report.warnings = report.warnings.into_iter().map(|warning| warning.spelt(dialect)).collect();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_in_json_and_text() {
        let json = |value: serde_json::Result<serde_json::Value>| value.unwrap().as_str().unwrap().to_owned();
        assert_eq!(json(serde_json::to_value(WarningId::NoPolicies)), "no-policies");
        assert_eq!(json(serde_json::to_value(Outcome::RolledBack)), "rolled_back");
        assert_eq!(json(serde_json::to_value(Action::UpdateTrustPolicy)), "update_trust_policy");
        assert_eq!(format!("{} {:>8}", Outcome::NotRun, Outcome::Done), "not_run     done");
        assert_eq!(serde_json::from_str::<Action>("\"untag_role\"").unwrap(), Action::UntagRole);
        assert!(serde_json::from_str::<Action>("\"dance\"").is_err());
    }
}
