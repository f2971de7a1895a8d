//! Changes of what a role may do and of its settings, in the groups that the order of writes needs.

use std::collections::{BTreeMap, BTreeSet};

use super::Step;
use super::goal::Goal;
use crate::backend::RoleSettings;
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{InlinePolicyName, PolicyArn, PolicyRef, SessionDuration};
use crate::observe::ObservedRole;
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};

/// Writes of inline policies, those that deny apart.
pub(super) fn inline_steps<'a>(
    documents: impl Iterator<Item = (&'a InlinePolicyName, &'a PolicyDocument)>,
    there: &BTreeMap<InlinePolicyName, Option<PolicyDocument>>,
) -> (Vec<Step>, Vec<Step>) {
    let steps = documents.map(|(name, document)| {
        let before = there.get(name).and_then(Clone::clone);
        Step::PutInlinePolicy { name: name.clone(), document: document.clone(), before }
    });
    steps.partition(|step| matches!(step, Step::PutInlinePolicy { document, .. } if document.has_deny()))
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
        (exact, adopting): (bool, bool),
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let binding = &request.binding;
        let removed: BTreeSet<PolicyRef> = match &request.verb {
            Verb::Update { remove_policies, .. } => remove_policies.clone(),
            _ => BTreeSet::new(),
        };
        let managed_leaves = |arn: &PolicyArn| removed.iter().any(|policy| policy.matches(arn));
        let inline_leaves = |name: &InlinePolicyName| removed.iter().any(|policy| policy.to_string() == name.as_str());
        for policy in &removed {
            let managed = role.attached.iter().filter(|arn| policy.matches(arn)).map(ToString::to_string);
            let inline = role.inline.keys().filter(|name| policy.to_string() == name.as_str());
            let found: Vec<String> = managed.chain(inline.map(|name| format!("inline policy {name}"))).collect();
            if goal.attach.iter().any(|arn| policy.matches(arn)) {
                return Err(Error::invalid("policy", policy.to_string(), "is to be added and removed at once"));
            }
            match found[..] {
                [] => {
                    let message =
                        format!("policy {policy} is not on role {}, so there is nothing to remove", goal.arn.name());
                    warnings.push(Warning::new(WarningId::NothingToRemove, message));
                }
                [_] => {}
                ref several => {
                    let what = format!("policy {policy} is not one policy but {}", several.len());
                    return Err(Error::new(ErrorKind::Conflict, what)
                        .with_cause(format!("candidates are {}", several.join(", ")))
                        .with_hint("give the ARN of the one that is meant, or the name with its path"));
                }
            }
        }
        let undeclared = |arn: &&PolicyArn| !goal.attach.contains(*arn);
        let detach = role.attached.iter().filter(undeclared).filter(|arn| exact || managed_leaves(arn));
        let attach = goal.attach.difference(&role.attached).cloned().map(Step::AttachPolicy);
        let leaving = role.inline.iter().filter(|(name, _)| !binding.inline_policies.contains_key(*name));
        let leaving = leaving.filter(|(name, _)| exact || inline_leaves(name));
        let (deny_delete, delete): (Vec<Step>, Vec<Step>) = leaving
            .map(|(name, document)| Step::DeleteInlinePolicy(name.clone(), document.clone()))
            .partition(|step| matches!(step, Step::DeleteInlinePolicy(_, Some(document)) if document.has_deny()));
        let differs = |(name, document): &(&InlinePolicyName, &PolicyDocument)| {
            role.inline.get(*name).and_then(Option::as_ref) != Some(*document)
        };
        let (deny_put, put) = inline_steps(binding.inline_policies.iter().filter(differs), &role.inline);
        if let Some(Step::PutInlinePolicy { name, .. }) = deny_put.iter().chain(&put).find(|step| replaces(step))
            && adopting
            && !request.force
        {
            let what = format!("inline policy {name} of role {} cannot be adopted", goal.arn.name());
            return Err(Error::new(ErrorKind::Conflict, what)
                .with_cause("the role has another document of that name, and adoption takes nothing away")
                .with_hint("give yours another name with --inline NAME=FILE, or replace it with --force"));
        }
        // A document that no longer denies gives what it took: that comes last.
        let (late, put): (Vec<Step>, Vec<Step>) = put
            .into_iter()
            .partition(|step| matches!(step, Step::PutInlinePolicy { before: Some(before), .. } if before.has_deny()));
        let deny_delete = [deny_delete, late].concat();
        let boundary = binding.permissions_boundary.iter();
        let boundary =
            boundary.filter(|arn| role.role.permissions_boundary.as_deref() != Some(arn.to_string().as_str()));
        Ok(Self {
            deny_put,
            detach: detach.cloned().map(Step::DetachPolicy).collect(),
            delete,
            boundary: boundary.cloned().map(Step::PutBoundary).collect(),
            attach: attach.collect(),
            put,
            deny_delete,
        })
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

/// Whether a write takes the place of another document.
fn replaces(step: &Step) -> bool {
    matches!(step, Step::PutInlinePolicy { before: Some(_), .. })
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
