//! Changes of what a role may do and of its settings, in the groups that the order of writes needs.

use super::Step;
use super::documents::{Change, DocumentSteps, document_steps};
use super::goal::Goal;
use super::managed::{Managed, ManagedSteps};
use super::replaced::Replaced;
use crate::backend::RoleSettings;
use crate::document::PolicyDocument;
use crate::error::{Error, ErrorKind, Result};
use crate::hint::Hint;
use crate::name::{InlinePolicyName, PolicyArn, SessionDuration};
use crate::observe::{Observed, ObservedRole};
use crate::report::{Warning, WarningId};
use crate::request::Request;
use crate::text::{did_you_mean, nearest};

/// Changes of what the role may do, in the groups that the order of writes needs.
pub(super) struct PolicyChanges {
    pub(super) managed: ManagedSteps,
    pub(super) boundary: Vec<Step>,
    pub(super) documents: DocumentSteps,
    /// How many managed policies come, and how many leave.
    pub(super) coming: usize,
    pub(super) leaving: usize,
}

impl PolicyChanges {
    pub(super) fn of(
        request: &Request,
        (observed, goal, role): (&Observed, &Goal<'_>, &ObservedRole),
        (exact, adopting): (bool, bool),
        replaced: &Replaced,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let binding = &request.binding;
        for policy in request.removed_policies() {
            let managed = role.attached.iter().filter(|arn| policy.matches(arn)).map(ToString::to_string);
            // The copies of a policy are one with it.
            let text = policy.to_string();
            let means = |(name, found): &(&InlinePolicyName, &Option<PolicyDocument>)| {
                request.means_inline((&text, None), (name, found.as_ref()))
            };
            let inline = role.inline.iter().find(means);
            let inline = inline.map(|(name, _)| format!("inline policy {name}"));
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
        for (name, document) in request.removed_inline_policies() {
            let means = |(known, found): (&InlinePolicyName, &Option<PolicyDocument>)| {
                request.means_inline((name.as_str(), document.as_ref()), (known, found.as_ref()))
            };
            match role.inline.iter().any(means) {
                true => {}
                false if document.is_some() => {
                    warnings.push(nothing_to_remove(&format!("inline policy {name}"), goal));
                }
                false => {
                    let near = nearest(name.as_str(), role.inline.keys().map(InlinePolicyName::as_str));
                    let error = Error::new(ErrorKind::NotFound, format!("inline policy {name} cannot be taken away"))
                        .with_cause(format!("role {} has none of that name", goal.arn.name()));
                    return Err(match did_you_mean(&near) {
                        Some(hint) => error.with_hint(hint),
                        None => error.with_hint("check the name of the file"),
                    });
                }
            }
        }
        let undeclared = |arn: &&PolicyArn| !goal.attach.contains(*arn);
        let detach = role.attached.iter().filter(undeclared).filter(|arn| exact || request.removes(arn));
        let detach: Vec<&PolicyArn> = detach.collect();
        let attach: Vec<&PolicyArn> = goal.attach.difference(&role.attached).collect();
        let leaving = role.inline.iter().filter(|(name, _)| !binding.inline_policies.contains_key(*name));
        // What the policy says itself from now on, its copy need not say any more.
        let is_spare = |name: &InlinePolicyName, document: &Option<PolicyDocument>| {
            let mut declared = binding.inline_policies.iter();
            declared
                .any(|(of, wanted)| binding.convention.is_copy(name, of.as_str()) && document.as_ref() == Some(wanted))
        };
        let leaves = |(name, before): &(&InlinePolicyName, &Option<PolicyDocument>)| {
            let removed = exact || request.removes_inline(name, before.as_ref());
            removed || replaced.deleted.contains(*name) || is_spare(name, before)
        };
        let leaving = leaving.filter(leaves).map(|(name, before)| Change {
            name: name.clone(),
            before: before.clone(),
            after: None,
            replaced: replaced.deleted.contains(name),
        });
        let wanted = binding.inline_policies.iter().map(|(name, after)| Change {
            name: name.clone(),
            before: role.inline.get(name).cloned().flatten(),
            after: Some(after.clone()),
            replaced: false,
        });
        let changes: Vec<Change> = leaving.chain(wanted.filter(|change| change.before != change.after)).collect();
        let replaces = |change: &&Change| {
            change.before.is_some() && change.after.is_some() && !replaced.in_place.contains(&change.name)
        };
        if let Some(change) = changes.iter().find(replaces).filter(|_| adopting && !request.force) {
            let what = format!("inline policy {} of role {} cannot be adopted", change.name, goal.arn.name());
            return Err(Error::new(ErrorKind::Conflict, what)
                .with_cause("the role has another document of that name, and adoption takes nothing away")
                .with_hint(Hint::RenameInlinePolicy));
        }
        let boundary = binding.permissions_boundary.iter();
        let boundary =
            boundary.filter(|arn| role.role.permissions_boundary.as_deref() != Some(arn.to_string().as_str()));
        let boundary: Vec<Step> = boundary.cloned().map(Step::PutBoundary).collect();
        let (coming, leaving) = (attach.len(), detach.len());
        let boundary_replaced = !boundary.is_empty() && role.role.permissions_boundary.is_some();
        let managed = Managed { attach, detach, effects: &observed.effects, boundary_replaced }.steps()?;
        let documents = document_steps(&changes, !boundary.is_empty(), managed.denies);
        Ok(Self { managed, boundary, documents, coming, leaving })
    }

    /// Whether anything changes in what the role may do: a Deny that leaves gives as well.
    pub(super) fn changes_rights(&self) -> bool {
        let DocumentSteps { first, then, replaced, last } = &self.documents;
        let documents = [first, then, replaced, last].iter().any(|steps| !steps.is_empty());
        self.coming + self.leaving > 0 || documents || !self.boundary.is_empty()
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
