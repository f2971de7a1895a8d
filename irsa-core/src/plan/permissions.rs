//! Changes of what a role may do and of its settings, in the groups that the order of writes needs.

use std::collections::BTreeSet;

use super::Step;
use super::goal::Goal;
use crate::backend::RoleSettings;
use crate::document::PolicyDocument;
use crate::name::{InlinePolicyName, PolicyArn, PolicyRef, SessionDuration};
use crate::observe::ObservedRole;
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};

/// Writes of inline policies, those that deny apart.
pub(super) fn inline_steps<'a>(
    documents: impl Iterator<Item = (&'a InlinePolicyName, &'a PolicyDocument)>,
) -> (Vec<Step>, Vec<Step>) {
    let steps = documents.map(|(name, document)| Step::PutInlinePolicy(name.clone(), document.clone()));
    steps.partition(|step| matches!(step, Step::PutInlinePolicy(_, document) if document.has_deny()))
}

/// Changes of what the role may do, in the groups that the order of writes needs.
pub(super) struct PolicyChanges {
    /// Documents that deny, which come first.
    pub(super) deny_put: Vec<Step>,
    pub(super) detach: Vec<Step>,
    pub(super) delete: Vec<Step>,
    pub(super) boundary: Vec<Step>,
    pub(super) attach: Vec<Step>,
    pub(super) put: Vec<Step>,
    /// Documents that deny, which leave last.
    pub(super) deny_delete: Vec<Step>,
}

impl PolicyChanges {
    pub(super) fn of(
        request: &Request,
        goal: &Goal<'_>,
        role: &ObservedRole,
        exact: bool,
        warnings: &mut Vec<Warning>,
    ) -> Self {
        let binding = &request.binding;
        let removed: BTreeSet<PolicyRef> = match &request.verb {
            Verb::Update { remove_policies, .. } => remove_policies.clone(),
            _ => BTreeSet::new(),
        };
        let managed_leaves = |arn: &PolicyArn| removed.iter().any(|policy| policy.matches(arn));
        let inline_leaves = |name: &InlinePolicyName| removed.iter().any(|policy| policy.to_string() == name.as_str());
        for policy in &removed {
            let there = role.attached.iter().any(|arn| policy.matches(arn))
                || role.inline.keys().any(|name| policy.to_string() == name.as_str());
            if !there {
                let message =
                    format!("policy {policy} is not on role {}, so there is nothing to remove", goal.arn.name());
                warnings.push(Warning::new(WarningId::NothingToRemove, message));
            }
        }
        let undeclared = |arn: &&PolicyArn| !goal.attach.contains(*arn);
        let detach = role.attached.iter().filter(undeclared).filter(|arn| exact || managed_leaves(arn));
        let attach = goal.attach.difference(&role.attached).cloned().map(Step::AttachPolicy);
        let leaving = role.inline.iter().filter(|(name, _)| !binding.inline_policies.contains_key(*name));
        let leaving = leaving.filter(|(name, _)| exact || inline_leaves(name));
        let (deny_delete, delete) = leaving
            .map(|(name, document)| Step::DeleteInlinePolicy(name.clone(), document.clone()))
            .partition(|step| matches!(step, Step::DeleteInlinePolicy(_, Some(document)) if document.has_deny()));
        let differs = |(name, document): &(&InlinePolicyName, &PolicyDocument)| {
            role.inline.get(*name).and_then(Option::as_ref) != Some(*document)
        };
        let (deny_put, put) = inline_steps(binding.inline_policies.iter().filter(differs));
        let boundary = binding.permissions_boundary.iter();
        let boundary =
            boundary.filter(|arn| role.role.permissions_boundary.as_deref() != Some(arn.to_string().as_str()));
        Self {
            deny_put,
            detach: detach.cloned().map(Step::DetachPolicy).collect(),
            delete,
            boundary: boundary.cloned().map(Step::PutBoundary).collect(),
            attach: attach.collect(),
            put,
            deny_delete,
        }
    }

    /// Whether subjects that leave must be gone before these.
    pub(super) fn changes_rights(&self) -> bool {
        !(self.deny_put.is_empty()
            && self.boundary.is_empty()
            && self.attach.is_empty()
            && self.put.is_empty()
            && self.deny_delete.is_empty())
    }
}

/// The settings of the role that differ.
pub(super) fn settings(request: &Request, role: &ObservedRole) -> Option<Step> {
    let binding = &request.binding;
    let description = binding.description.as_ref().map(ToString::to_string);
    let settings = RoleSettings {
        description: description.filter(|wanted| role.role.description.as_deref().unwrap_or_default() != wanted),
        max_session_duration: binding
            .max_session_duration
            .map(SessionDuration::seconds)
            .filter(|seconds| *seconds != role.role.max_session_duration),
    };
    (settings != RoleSettings::default()).then_some(Step::UpdateRole(settings))
}
