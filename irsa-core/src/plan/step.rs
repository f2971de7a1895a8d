//! Single steps: one write of one back end each, with everything the write needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Plan;
use crate::backend::{NewRole, NewServiceAccount, OidcProvider, Role, RoleSettings, ServiceAccount};
use crate::document::PolicyDocument;
use crate::name::{Audience, ClusterRef, InlinePolicyName, Namespace, PolicyArn, ProviderArn, ServiceAccountRef};
use crate::observe::ObservedRole;
use crate::ownership::{DELETING, Member, ORIGIN_TAG, Ownership};
use crate::report::{Action, Outcome, StepReport};
use crate::service_account::Release;
use crate::trust::{Derivation, TrustPolicy};

/// A write of the trust policy, with what is needed to check it afterwards.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TrustStep {
    pub(crate) before: TrustPolicy,
    pub(crate) policy: TrustPolicy,
    /// From which the policy follows, given the tags at the time of the check.
    pub(crate) derivation: Derivation,
    /// Those who join and are on record when this is written: whose tag is gone then was taken out by another writer.
    pub(crate) recorded: BTreeSet<Member>,
}

impl TrustStep {
    /// The write of `policy` over `before`, when the tags say `ownership`.
    pub(crate) fn new(
        before: &TrustPolicy,
        policy: &TrustPolicy,
        derivation: Derivation,
        ownership: &Ownership,
    ) -> Self {
        let recorded = derivation.joining.iter().filter(|member| ownership.records(member)).cloned().collect();
        Self { before: before.clone(), policy: policy.clone(), derivation, recorded }
    }
}

/// A role as it was read: the steps that begin and undo a delete refuse a role that has changed since.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoleSnapshot {
    pub(crate) role_id: String,
    pub(crate) trust: TrustPolicy,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) attached: BTreeSet<PolicyArn>,
    pub(crate) inline: BTreeSet<InlinePolicyName>,
}

impl RoleSnapshot {
    pub(crate) fn of(role: &ObservedRole) -> Self {
        Self {
            role_id: role.role.id.clone(),
            trust: role.trust.clone(),
            tags: role.role.tags.clone(),
            attached: role.attached.clone(),
            inline: role.inline.keys().cloned().collect(),
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    CreateNamespace {
        cluster: ClusterRef,
        namespace: Namespace,
    },
    CreateProvider(OidcProvider),
    AddAudience {
        provider: ProviderArn,
        audience: Audience,
    },
    DeleteProvider(ProviderArn),
    CreateRole(Box<NewRole>),
    UpdateTrust(Box<TrustStep>),
    UpdateRole(RoleSettings),
    PutBoundary(PolicyArn),
    TagRole(BTreeMap<String, String>),
    UntagRole(BTreeSet<String>),
    /// Marks the role as being deleted, then makes sure that nobody has joined it.
    BeginDelete(Box<RoleSnapshot>),
    /// Waits until an unfinished delete can no longer write, then removes its mark.
    UndoDelete(Box<RoleSnapshot>),
    AttachPolicy(PolicyArn),
    DetachPolicy(PolicyArn),
    PutInlinePolicy {
        name: InlinePolicyName,
        document: PolicyDocument,
        before: Option<PolicyDocument>,
    },
    DeleteInlinePolicy(InlinePolicyName, Option<PolicyDocument>),
    DeleteRole,
    ApplyServiceAccount {
        cluster: ClusterRef,
        account: NewServiceAccount,
        existed: Option<Box<ServiceAccount>>,
    },
    ReleaseServiceAccount {
        cluster: ClusterRef,
        account: Box<ServiceAccount>,
        release: Release,
    },
}

impl Step {
    /// The managed policy that it attaches or detaches.
    pub(crate) fn policy(&self) -> Option<&PolicyArn> {
        match self {
            Self::AttachPolicy(arn) | Self::DetachPolicy(arn) => Some(arn),
            _ => None,
        }
    }

    /// What it does, as it stands in reports.
    pub(crate) fn action(&self) -> Action {
        match self {
            Self::CreateNamespace { .. } => Action::CreateNamespace,
            Self::CreateProvider(_) => Action::CreateProvider,
            Self::AddAudience { .. } => Action::AddAudience,
            Self::DeleteProvider(_) => Action::DeleteProvider,
            Self::CreateRole(_) => Action::CreateRole,
            Self::UpdateTrust(_) => Action::UpdateTrustPolicy,
            Self::UpdateRole(_) => Action::UpdateRole,
            Self::PutBoundary(_) => Action::PutPermissionsBoundary,
            Self::TagRole(_) | Self::BeginDelete(_) | Self::UndoDelete(_) => Action::TagRole,
            Self::UntagRole(_) => Action::UntagRole,
            Self::AttachPolicy(_) => Action::AttachPolicy,
            Self::DetachPolicy(_) => Action::DetachPolicy,
            Self::PutInlinePolicy { .. } => Action::PutInlinePolicy,
            Self::DeleteInlinePolicy(..) => Action::DeleteInlinePolicy,
            Self::DeleteRole => Action::DeleteRole,
            Self::ApplyServiceAccount { existed: None, .. } => Action::CreateServiceAccount,
            Self::ApplyServiceAccount { .. } => Action::AnnotateServiceAccount,
            Self::ReleaseServiceAccount { release: Release::Delete, .. } => Action::DeleteServiceAccount,
            Self::ReleaseServiceAccount { .. } => Action::RemoveAnnotations,
        }
    }

    /// What it does it to: the role's name where it names nothing else. What is on another cluster than the binding's is
    /// told with it, as subjects are written.
    fn target(&self, plan: &Plan) -> String {
        let on = |cluster: &ClusterRef, what: String| match &plan.home {
            Some(home) if home != cluster => format!("{cluster}:{what}"),
            _ => what,
        };
        match self {
            Self::CreateNamespace { cluster, namespace } => on(cluster, namespace.to_string()),
            Self::CreateProvider(provider) => provider.arn.to_string(),
            Self::AddAudience { provider, .. } | Self::DeleteProvider(provider) => provider.to_string(),
            Self::AttachPolicy(arn) | Self::DetachPolicy(arn) => arn.to_string(),
            Self::PutInlinePolicy { name, .. } | Self::DeleteInlinePolicy(name, _) => name.to_string(),
            Self::ApplyServiceAccount { cluster, account, .. } => {
                on(cluster, ServiceAccountRef::new(&account.namespace, &account.name).to_string())
            }
            Self::ReleaseServiceAccount { cluster, account, .. } => {
                on(cluster, ServiceAccountRef::new(&account.namespace, &account.name).to_string())
            }
            _ => plan.role_name.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The new value, or the one that is lost.
    fn detail(&self, was: Option<&Role>) -> Option<Value> {
        match self {
            Self::CreateProvider(provider) => Some(json!({"audiences": provider.audiences})),
            Self::AddAudience { audience, .. } => Some(json!({"audience": audience})),
            Self::CreateRole(role) => {
                let mut detail = json!({
                    "arn": role.arn,
                    "trust_policy": serde_json::from_str::<Value>(&role.trust_policy).unwrap_or_default(),
                    "tags": role.tags,
                });
                let settings = [
                    ("description", json!(role.description)),
                    ("max_session_duration", json!(role.max_session_duration)),
                    ("permissions_boundary", json!(role.permissions_boundary)),
                ];
                for (key, value) in settings.into_iter().filter(|(_, value)| !value.is_null()) {
                    detail[key] = value;
                }
                Some(detail)
            }
            Self::UpdateTrust(trust) => {
                Some(json!({"before": trust.before.as_value(), "after": trust.policy.as_value()}))
            }
            Self::UpdateRole(settings) => {
                let after = json!({
                    "description": settings.description,
                    "max_session_duration": settings.max_session_duration,
                });
                let before = was.map(|role| {
                    json!({
                        "description": settings.description.as_ref().and(role.description.as_ref()),
                        "max_session_duration": settings.max_session_duration.map(|_| role.max_session_duration),
                    })
                });
                Some(with_before(after, before))
            }
            Self::PutBoundary(arn) => {
                let before = was.and_then(|role| role.permissions_boundary.as_ref());
                Some(with_before(
                    json!({"permissions_boundary": arn}),
                    before.map(|before| json!({"permissions_boundary": before})),
                ))
            }
            Self::TagRole(tags) => {
                let before = was.map(|role| written_over(&role.tags, tags)).filter(|before| !before.is_empty());
                Some(with_before(json!({"tags": tags}), before.map(|before| json!({"tags": before}))))
            }
            Self::BeginDelete(_) => Some(json!({"tags": {ORIGIN_TAG: DELETING}})),
            Self::UndoDelete(role) => {
                let origin = Ownership::from_tags(&role.tags).deletion.and_then(|mark| mark.origin);
                Some(json!({"tags": {ORIGIN_TAG: origin}, "before": {"tags": {ORIGIN_TAG: DELETING}}}))
            }
            Self::UntagRole(keys) => Some(json!({"keys": keys})),
            Self::PutInlinePolicy { document, before: None, .. } => Some(json!({"document": document.as_value()})),
            Self::PutInlinePolicy { document, before: Some(before), .. } => {
                Some(json!({"document": document.as_value(), "before": before.as_value()}))
            }
            Self::DeleteInlinePolicy(_, document) => {
                document.as_ref().map(|document| json!({"document": document.as_value()}))
            }
            Self::ApplyServiceAccount { account, existed, .. } => {
                let before = existed.as_ref().map(|there| {
                    let annotations = written_over(&there.annotations, &account.annotations);
                    (annotations, written_over(&there.labels, &account.labels))
                });
                let before = before.filter(|(annotations, labels)| !annotations.is_empty() || !labels.is_empty());
                let before = before.map(|(annotations, labels)| json!({"annotations": annotations, "labels": labels}));
                let mut after = json!({"annotations": account.annotations, "labels": account.labels});
                if let Some(automount) = account.automount_token {
                    after["automount_token"] = json!(automount);
                }
                Some(with_before(after, before))
            }
            Self::ReleaseServiceAccount { release: Release::Unannotate(keys), .. } => {
                Some(json!({"annotations": keys}))
            }
            _ => None,
        }
    }

    /// The step in a report.
    pub(crate) fn report(&self, plan: &Plan, outcome: Outcome) -> StepReport {
        StepReport {
            action: self.action(),
            target: self.target(plan),
            outcome,
            error: None,
            detail: self.detail(plan.previous_role.as_deref()),
        }
    }
}

/// What is written, with what it is written over.
fn with_before(mut after: Value, before: Option<Value>) -> Value {
    if let (Value::Object(after), Some(before)) = (&mut after, before) {
        after.insert("before".to_owned(), before);
    }
    after
}

/// The values that are there and become others.
fn written_over<'a>(
    there: &'a BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<&'a String, &'a String> {
    there.iter().filter(|(key, value)| wanted.get(*key).is_some_and(|wanted| wanted != *value)).collect()
}
