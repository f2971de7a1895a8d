//! Rollback: removes a role created by this run, and everything else it made, when a later write is permanently refused.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::run::Done;
use super::{Context, State};
use crate::backend::{DryRun, FIELD_MANAGER, NewServiceAccount, Precondition, ServiceAccount, Takeover};
use crate::error::{Error, ErrorKind, Result};
use crate::ownership::SUBJECT_TAG_PREFIX;
use crate::plan::Step;
use crate::report::{Warning, WarningId};
use crate::retry::until_consistent;
use crate::service_account::{Release, is_only_ours, release};

/// Time limit of a rollback, which may begin when the deadline of the binding has passed.
const LONGEST: Duration = Duration::from_secs(60);

/// Undoes the completed steps, last first. The warnings name what stays.
pub(super) async fn roll_back(context: &Context<'_>, states: &mut [(&Step, State)]) -> Vec<Warning> {
    let mut left = Vec::new();
    let deadline = Instant::now() + LONGEST;
    // Another run of the same binding goes by the role already.
    let bound_by_others =
        states.iter().any(|(_, state)| state.done().is_some_and(|done| !done.made && done.found.is_some()));
    if bound_by_others || tokio::time::timeout_at(deadline, joined_by_others(context)).await.unwrap_or(false) {
        let made = states.iter().filter(|(_, state)| state.done().is_some_and(|done| done.made));
        return made.map(|(step, _)| left_behind(context, step, "somebody else has joined the role")).collect();
    }
    for (step, state) in states.iter_mut().rev() {
        let Some(done) = state.done().filter(|done| done.made) else { continue };
        let undone = tokio::time::timeout_at(deadline, undo(context, step, done)).await;
        match undone
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "too late").with_cause("it did not end in time")))
        {
            Ok(true) => {
                let error = match std::mem::replace(state, State::RolledBack(None)) {
                    State::Altered(_, error) => Some(error),
                    _ => None,
                };
                *state = State::RolledBack(error);
            }
            Ok(false) => left.push(left_behind(context, step, "it may be in use by others")),
            Err(error) => left.push(left_behind(context, step, &error.causes().join(": "))),
        }
    }
    left
}

/// Whether somebody else has a part in the role by now. It is not marked as going: a run that broke off here would leave the
/// mark, and the same command would then be refused instead of going on.
async fn joined_by_others(context: &Context<'_>) -> bool {
    let new = context.plan.steps().find_map(|step| if let Step::CreateRole(new) = step { Some(new) } else { None });
    let Some(new) = new else { return false };
    let Ok(Some(role)) = context.backends.iam.role(new.arn.name()).await else { return false };
    let mut further = role.tags.keys().filter(|key| key.starts_with(SUBJECT_TAG_PREFIX));
    further.any(|key| !new.tags.contains_key(key))
}

fn left_behind(context: &Context<'_>, step: &Step, why: &str) -> Warning {
    let entry = step.report(context.plan, crate::report::Outcome::Done);
    Warning::new(WarningId::LeftBehind, format!("{} {} is not rolled back: {why}", entry.action, entry.target))
}

/// Undoes one step; `false` when it is better left.
async fn undo(context: &Context<'_>, step: &Step, done: &Done) -> Result<bool> {
    let iam = context.backends.iam.as_ref();
    let Some(role_arn) = context.plan.role_arn.clone() else { return Ok(false) };
    let role = role_arn.name();
    let result = match step {
        Step::AttachPolicy(arn) => until_consistent(false, || iam.detach_policy(role, arn)).await,
        Step::PutInlinePolicy { name, .. } => until_consistent(false, || iam.delete_inline_policy(role, name)).await,
        Step::CreateRole(_) if done.made => until_consistent(false, || iam.delete_role(role)).await,
        Step::ApplyServiceAccount { cluster, account, existed } => {
            let backend = context.backends.cluster(cluster)?;
            match (done.found.as_deref().or(existed.as_deref()), done.account.as_deref()) {
                // Somebody else may have made it just before us: then only our fields are rolled back. A webhook may have
                // taken away what says that it was made here.
                (None, Some(made))
                    if release(made, Some(&role_arn)) == Release::Delete
                        || (account.precondition == Precondition::Absent && is_only_ours(made)) =>
                {
                    backend.delete_service_account(made).await
                }
                (None, Some(made)) => {
                    let nothing = NewServiceAccount {
                        labels: BTreeMap::new(),
                        annotations: BTreeMap::new(),
                        automount_token: None,
                        precondition: Precondition::unchanged(made),
                        ..account.clone()
                    };
                    backend.apply_service_account(&nothing, DryRun::No, Takeover::Refuse).await.map(|_| ())
                }
                (Some(before), Some(made)) => {
                    let restored = as_before(before, account, made);
                    // Only what we sent is touched: other fields are not ours, whoever changed them since.
                    backend.apply_service_account(&restored, DryRun::No, Takeover::Force).await.map(|_| ())
                }
                (_, None) => return Ok(false),
            }
        }
        _ => return Ok(false),
    };
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        result => result.map(|()| true),
    }
}

/// The fields that irsa owned before, and the values that its write replaced.
fn as_before(before: &ServiceAccount, sent: &NewServiceAccount, made: &ServiceAccount) -> NewServiceAccount {
    let owned =
        before.owners.iter().find(|owner| owner.manager == FIELD_MANAGER && owner.apply).cloned().unwrap_or_default();
    let restored = |sent: &BTreeMap<String, String>,
                    there: &BTreeMap<String, String>,
                    owned: &std::collections::BTreeSet<String>| {
        let kept =
            there.iter().filter(|(key, value)| owned.contains(*key) || sent.get(*key).is_some_and(|new| new != *value));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let replaced = sent.automount_token.is_some() && sent.automount_token != before.automount_token;
    NewServiceAccount {
        namespace: before.namespace.clone(),
        name: before.name.clone(),
        labels: restored(&sent.labels, &before.labels, &owned.labels),
        annotations: restored(&sent.annotations, &before.annotations, &owned.annotations),
        automount_token: before.automount_token.filter(|_| replaced || owned.automount_token),
        precondition: Precondition::unchanged(made),
    }
}
