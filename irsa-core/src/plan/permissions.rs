//! Changes of what a role may do and of its settings, in the groups that the order of writes needs.

use std::collections::BTreeSet;

use super::Step;
use super::documents::{Change, DocumentSteps, document_steps};
use super::goal::Goal;
use crate::backend::RoleSettings;
use crate::convention::Convention;
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{InlinePolicyName, PolicyArn, PolicyRef, SessionDuration};
use crate::observe::ObservedRole;
use crate::report::{Warning, WarningId};
use crate::request::{Request, Verb};

/// Changes of what the role may do, in the groups that the order of writes needs.
pub(super) struct PolicyChanges {
    pub(super) detach: Vec<Step>,
    pub(super) boundary: Vec<Step>,
    pub(super) attach: Vec<Step>,
    pub(super) documents: DocumentSteps,
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
        let removed = Removed::of(request);
        for policy in &removed.any {
            let managed = role.attached.iter().filter(|arn| policy.matches(arn)).map(ToString::to_string);
            // The copies of a policy are one with it.
            let inline = role.inline.keys().find(|name| removed.means(&policy.to_string(), name));
            let inline = inline.map(|name| format!("inline policy {name}"));
            let found: Vec<String> = managed.chain(inline).collect();
            if goal.attach.iter().any(|arn| policy.matches(arn)) {
                return Err(Error::invalid("policy", policy.to_string(), "is to be added and removed at once"));
            }
            match found[..] {
                [] => warnings.push(nothing_to_remove(&format!("policy {policy}"), goal)),
                [_] => {}
                ref several => {
                    let what = format!("policy {policy} is not one policy but {}", several.len());
                    return Err(Error::new(ErrorKind::Conflict, what)
                        .with_cause(format!("candidates are {}", several.join(", ")))
                        .with_hint("give the ARN of the one that is meant, or the name with its path"));
                }
            }
        }
        for name in
            removed.inline.iter().filter(|name| !role.inline.keys().any(|known| removed.means(name.as_str(), known)))
        {
            warnings.push(nothing_to_remove(&format!("inline policy {name}"), goal));
        }
        let undeclared = |arn: &&PolicyArn| !goal.attach.contains(*arn);
        let detach = role.attached.iter().filter(undeclared).filter(|arn| exact || removed.managed(arn));
        let attach = goal.attach.difference(&role.attached).cloned().map(Step::AttachPolicy);
        let leaving = role.inline.iter().filter(|(name, _)| !binding.inline_policies.contains_key(*name));
        // What the policy says itself from now on, its copy need not say any more.
        let is_spare = |name: &InlinePolicyName, document: &Option<PolicyDocument>| {
            let mut declared = binding.inline_policies.iter();
            declared
                .any(|(of, wanted)| binding.convention.is_copy(name, of.as_str()) && document.as_ref() == Some(wanted))
        };
        let leaving = leaving.filter(|(name, before)| exact || removed.inline(name) || is_spare(name, before));
        let leaving = leaving.map(|(name, before)| Change { name: name.clone(), before: before.clone(), after: None });
        let wanted = binding.inline_policies.iter().map(|(name, after)| Change {
            name: name.clone(),
            before: role.inline.get(name).cloned().flatten(),
            after: Some(after.clone()),
        });
        let changes: Vec<Change> = leaving.chain(wanted.filter(|change| change.before != change.after)).collect();
        let replaces = |change: &&Change| change.before.is_some() && change.after.is_some();
        if let Some(change) = changes.iter().find(replaces).filter(|_| adopting && !request.force) {
            let what = format!("inline policy {} of role {} cannot be adopted", change.name, goal.arn.name());
            return Err(Error::new(ErrorKind::Conflict, what)
                .with_cause("the role has another document of that name, and adoption takes nothing away")
                .with_hint("give yours another name with --inline NAME=FILE, or replace it with --force"));
        }
        let boundary = binding.permissions_boundary.iter();
        let boundary =
            boundary.filter(|arn| role.role.permissions_boundary.as_deref() != Some(arn.to_string().as_str()));
        let boundary: Vec<Step> = boundary.cloned().map(Step::PutBoundary).collect();
        Ok(Self {
            detach: detach.cloned().map(Step::DetachPolicy).collect(),
            documents: document_steps(&changes, !boundary.is_empty()),
            boundary,
            attach: attach.collect(),
        })
    }

    /// Whether subjects that leave must be gone before these.
    pub(super) fn changes_rights(&self) -> bool {
        let DocumentSteps { first, then, last } = &self.documents;
        let gives = |step: &Step| matches!(step, Step::PutInlinePolicy { .. });
        !(self.boundary.is_empty() && self.attach.is_empty() && then.is_empty() && last.is_empty())
            || first.iter().any(gives)
    }
}

/// The policies that an update takes away.
struct Removed<'a> {
    convention: &'a Convention,
    any: BTreeSet<PolicyRef>,
    inline: BTreeSet<InlinePolicyName>,
}

impl<'a> Removed<'a> {
    fn of(request: &'a Request) -> Self {
        let (any, inline) = match &request.verb {
            Verb::Update { remove_policies, remove_inline_policies, .. } => {
                (remove_policies.clone(), remove_inline_policies.clone())
            }
            _ => Default::default(),
        };
        Self { convention: &request.binding.convention, any, inline }
    }

    /// Whether a name means an inline policy of the role: that of the name, or a copy of it.
    fn means(&self, name: &str, policy: &InlinePolicyName) -> bool {
        name == policy.as_str() || self.convention.is_copy(policy, name)
    }

    fn managed(&self, arn: &PolicyArn) -> bool {
        self.any.iter().any(|policy| policy.matches(arn))
    }

    fn inline(&self, policy: &InlinePolicyName) -> bool {
        self.any.iter().any(|name| self.means(&name.to_string(), policy))
            || self.inline.iter().any(|name| self.means(name.as_str(), policy))
    }
}

fn nothing_to_remove(what: &str, goal: &Goal<'_>) -> Warning {
    let message = format!("{what} is not on role {}, so there is nothing to remove", goal.arn.name());
    Warning::new(WarningId::NothingToRemove, message)
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
