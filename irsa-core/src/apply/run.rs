//! One step: one write, repeated where IAM is not ready, and checked where IAM has no compare-and-swap.

use std::collections::BTreeMap;

use backon::BackoffBuilder;

use super::current::{MAX_WAITS, deleted_meanwhile, role_now};
use super::deletion::Moment;
use super::stored::{check_provider, check_role};
use super::{Context, deletion};
use crate::backend::{
    Difference, DryRun, NewRole, NewServiceAccount, OidcProvider, Precondition, Role, ServiceAccount,
    changed_by_admission,
};
use crate::binding::ROLE_ARN_ANNOTATION;
use crate::error::{ConflictReason, Error, ErrorKind, Result};
use crate::invariants::Invariant;
use crate::name::{Audience, ClusterRef, Namespace, RoleName, ServiceAccountRef};
use crate::observe::namespace_terminating;
use crate::ownership::{Member, OWNER_TAG, Ownership};
use crate::plan::{Step, TrustStep};
use crate::report::{Warning, WarningId};
use crate::retry::{pause, until_consistent, waits};
use crate::service_account::{self, Release};
use crate::trust::{TrustPolicy, derive};

/// What a step that was done leaves for the report, and for taking it back.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Whether this run made the thing; a lost answer may mean that somebody else did.
    pub(super) made: bool,
    /// The account as it is now.
    pub(super) account: Option<Box<ServiceAccount>>,
    /// The account as it was before our write, where it was not as it had been read.
    pub(super) found: Option<Box<ServiceAccount>>,
    /// Something else than was asked for is stored.
    pub(super) altered: Option<Error>,
    /// Until when the steps of a delete may go on.
    pub(super) deadline: Option<Moment>,
    pub(super) warnings: Vec<Warning>,
}

/// How often a write that collides with other writers is repeated.
const MOST_REPEATS: usize = 10;

/// Does one step.
pub(super) async fn run_step(context: &Context<'_>, step: &Step) -> Result<Done> {
    let iam = context.backends.iam.as_ref();
    let role = || {
        let unnamed = || Error::new(ErrorKind::Unexpected, format!("{} has no role to work on", step.action()));
        context.plan.role_name.as_ref().ok_or_else(unnamed)
    };
    let fresh = context.fresh;
    match step {
        Step::CreateNamespace { cluster, namespace } => {
            return create_namespace(context, cluster, namespace).await;
        }
        Step::CreateProvider(provider) => return create_provider(context, provider).await,
        Step::AddAudience { provider, audience } => {
            until_consistent(false, || iam.add_audience(provider, audience)).await?;
        }
        Step::DeleteProvider(provider) => {
            gone_already(until_consistent(false, || iam.delete_provider(provider)).await)?;
        }
        Step::CreateRole(new) => return create_role(context, new).await,
        Step::UpdateTrust(trust) => return update_trust(context, role()?, trust).await,
        Step::UpdateRole(settings) => {
            let role = role()?;
            until_consistent(fresh, || iam.update_role(role, settings)).await?
        }
        Step::PutBoundary(arn) => {
            let role = role()?;
            until_consistent(fresh, || iam.put_permissions_boundary(role, arn)).await?
        }
        Step::TagRole(tags) => {
            let role = role()?;
            until_consistent(fresh, || iam.tag_role(role, tags)).await?
        }
        Step::UntagRole(keys) => {
            let role = role()?;
            until_consistent(fresh, || iam.untag_role(role, keys)).await?
        }
        Step::BeginDelete(expected) => {
            let deadline = deletion::begin(context, role()?, expected).await?;
            return Ok(Done { made: true, deadline: Some(deadline), ..Done::default() });
        }
        Step::UndoDelete(expected) => deletion::undo(context, role()?, expected).await?,
        Step::AttachPolicy(arn) => {
            let role = role()?;
            until_consistent(fresh, || iam.attach_policy(role, arn)).await?
        }
        Step::PutInlinePolicy { name, document, .. } => {
            let (role, text) = (role()?, document.minified());
            until_consistent(fresh, || iam.put_inline_policy(role, name, &text)).await?;
        }
        Step::DetachPolicy(arn) => {
            let role = role()?;
            gone_already(until_consistent(false, || iam.detach_policy(role, arn)).await)?;
        }
        Step::DeleteInlinePolicy(name, _) => {
            let role = role()?;
            gone_already(until_consistent(false, || iam.delete_inline_policy(role, name)).await)?;
        }
        Step::DeleteRole => {
            let role = role()?;
            gone_already(until_consistent(false, || iam.delete_role(role)).await)?
        }
        Step::ApplyServiceAccount { cluster, account, .. } => {
            return apply_account(context, cluster, account).await;
        }
        Step::ReleaseServiceAccount { cluster, account, release } => {
            let warnings = release_account(context, cluster, account, release).await?;
            return Ok(Done { made: true, warnings, ..Done::default() });
        }
    }
    Ok(Done { made: true, ..Done::default() })
}

/// Makes a namespace. One that is there and yet was not is either made by somebody else, or still being deleted.
async fn create_namespace(context: &Context<'_>, cluster: &ClusterRef, namespace: &Namespace) -> Result<Done> {
    let backend = context.backends.cluster(cluster)?;
    match backend.create_namespace(namespace).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match backend.namespace(namespace).await? {
            Some(found) if !found.terminating => Ok(Done::default()),
            _ => Err(namespace_terminating(namespace)),
        },
        result => result.map(|()| Done { made: true, ..Done::default() }),
    }
}

/// Applies an account. Where it is not any more as it was read, what is wanted is applied to what is there now, if that is
/// nobody else's.
async fn apply_account(context: &Context<'_>, cluster: &ClusterRef, account: &NewServiceAccount) -> Result<Done> {
    let backend = context.backends.cluster(cluster)?;
    let precondition = match &account.precondition {
        Precondition::Absent if !Invariant::StillAbsent.is_enforced() => Precondition::Anything,
        Precondition::Version { .. } if !Invariant::Preconditions.is_enforced() => Precondition::Anything,
        precondition => precondition.clone(),
    };
    let force = context.plan.force;
    let mut wanted = NewServiceAccount { precondition, ..account.clone() };
    let (mut found, mut wait) = (None, None);
    let mut waits = waits().with_max_times(MAX_WAITS).build();
    loop {
        if let Some(wait) = wait {
            pause(wait, "the service account was changed by others").await;
        }
        let error = match backend.apply_service_account(&wanted, DryRun::No, force.into()).await {
            Err(error) if is_outdated(&error, &wanted) => error,
            applied => {
                let applied = applied?;
                let service_account = ServiceAccountRef::new(&account.namespace, &account.name);
                let operation = format!("service account {service_account} is not stored as it was asked for");
                let altered = changed_by_admission(operation, "stored", &Difference::of_account(&wanted, &applied));
                return Ok(Done { made: true, account: Some(Box::new(applied)), found, altered, ..Done::default() });
            }
        };
        match backend.service_account(&account.namespace, &account.name).await? {
            None if wanted.precondition != Precondition::Absent => return Err(error),
            // It came and went; or the server has reasons of its own, which are told in the end.
            None => {}
            Some(there) if wanted.precondition == Precondition::unchanged(&there) => return Err(error),
            Some(there) => {
                let Some(role) = &context.plan.role_arn else { return Err(error) };
                let next = service_account::onto(account.clone(), role, &there, force)?;
                found = Some(Box::new(there));
                match next {
                    Some(next) => wanted = next,
                    None => return Ok(Done { found, ..Done::default() }),
                }
            }
        }
        wait = waits.next();
        if wait.is_none() {
            return Err(error);
        }
    }
}

/// Whether a write may have been refused because the account is not as it was read.
fn is_outdated(error: &Error, wanted: &NewServiceAccount) -> bool {
    is_stale(error) && wanted.precondition != Precondition::Anything
}

/// Whether a write was refused because of what somebody else wrote in between. A back end may not know the reason.
fn is_stale(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.conflict_reason().is_none_or(|reason| reason == ConflictReason::Stale)
}

fn gone_already(result: Result<()>) -> Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Makes a provider; one that somebody else made in between gets the audiences that it lacks.
async fn create_provider(context: &Context<'_>, provider: &OidcProvider) -> Result<Done> {
    let iam = context.backends.iam.as_ref();
    match until_consistent(false, || iam.create_provider(provider)).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let known = iam.provider(&provider.arn).await?.map(|known| known.audiences).unwrap_or_default();
            for audience in provider.audiences.iter().filter(|audience| !known.contains(audience)) {
                let audience = Audience::new(audience.clone())?;
                until_consistent(false, || iam.add_audience(&provider.arn, &audience)).await?;
            }
            Ok(Done::default())
        }
        created => {
            let altered = check_provider(iam, provider, &created?).await;
            Ok(Done { made: true, altered, ..Done::default() })
        }
    }
}

async fn create_role(context: &Context<'_>, new: &NewRole) -> Result<Done> {
    let iam = context.backends.iam.as_ref();
    let created = until_consistent(false, || iam.create_role(new)).await;
    match created {
        Ok(role) => Ok(Done { made: true, altered: check_role(iam, new, &role).await, ..Done::default() }),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => accept_own(context, new, error).await,
        Err(error) if tags_refused(new, &error) => {
            let plain = NewRole { tags: Default::default(), ..new.clone() };
            let made = match until_consistent(false, || iam.create_role(&plain)).await {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => accept_own(context, &plain, error).await?,
                made => {
                    let altered = check_role(iam, &plain, &made?).await;
                    Done { made: true, altered, ..Done::default() }
                }
            };
            if let Err(error) = until_consistent(true, || iam.tag_role(new.arn.name(), &new.tags)).await {
                // A role without tags would be nobody's: it is rolled back at once.
                if made.made {
                    until_consistent(false, || iam.delete_role(new.arn.name())).await.map_err(|left| {
                        let name = new.arn.name();
                        left.during(format!("role {name} was made, cannot be tagged and cannot be rolled back"))
                    })?;
                }
                return Err(error);
            }
            let message =
                format!("role {} was made first and tagged after: {}", new.arn.name(), error.causes().join(": "));
            Ok(Done { warnings: vec![Warning::new(WarningId::TagsSeparate, message)], ..made })
        }
        Err(error) => Err(error),
    }
}

/// Some partitions refuse tags on creation, with one of many codes (terraform-provider-aws, `tags_gen`, has the list).
fn tags_refused(new: &NewRole, error: &Error) -> bool {
    const CODES: [&str; 8] = [
        "AccessDenied",
        "InvalidAction",
        "InvalidParameterValue",
        "InvalidRequest",
        "OperationDisabledException",
        "UnknownOperationException",
        "UnsupportedOperation",
        "ValidationError",
    ];
    new.arn.partition().as_str() != "aws" && error.code().is_some_and(|code| CODES.contains(&code))
}

/// A role that is there although it was not a moment ago: ours, when the answer to a first try was lost; otherwise another
/// writer's, and the next run decides.
async fn accept_own(context: &Context<'_>, new: &NewRole, error: Error) -> Result<Done> {
    let name = new.arn.name();
    let mut waits = waits().with_max_times(MAX_WAITS).build();
    let there = loop {
        match (role_now(context, name).await?, waits.next()) {
            // It is not seen everywhere yet.
            (None, Some(wait)) => pause(wait, "the new role is not visible yet").await,
            (there, _) => break there,
        }
    };
    let ours = |role: &Role| {
        let wanted = TrustPolicy::from_stored(&new.trust_policy).ok();
        let found = TrustPolicy::from_stored(&role.trust_policy).ok();
        role.tags.get(OWNER_TAG) == new.tags.get(OWNER_TAG) && wanted.is_some() && wanted == found
    };
    match there {
        Some(role) if ours(&role) => Ok(Done::default()),
        _ => Err(Error::new(ErrorKind::Conflict, format!("role {name} was made by somebody else in the meantime"))
            .with_code("EntityAlreadyExists")
            .with_source(error)
            .with_hint("run the same command again: it goes on from what is there")),
    }
}

/// Writes the trust policy, then reads trust and tags again and writes again until they agree: IAM has no compare-and-swap
/// here, and the tags tell what other writers want.
async fn update_trust(context: &Context<'_>, name: &RoleName, step: &TrustStep) -> Result<Done> {
    let iam = context.backends.iam.as_ref();
    let mut written = step.policy.clone();
    let mut warnings = Vec::new();
    for _ in 0..MOST_REPEATS {
        let text = written.minified();
        until_consistent(context.fresh, || iam.update_trust_policy(name, &text)).await?;
        if !Invariant::TrustReadBack.is_enforced() {
            return Ok(Done { made: true, ..Done::default() });
        }
        let seen = read_back(context, name, step, &written).await?;
        if seen.agreed == seen.standing {
            return match &seen.lost[..] {
                [] => Ok(Done { made: true, warnings, ..Done::default() }),
                lost => Err(taken_out(name, lost)),
            };
        }
        if warnings.is_empty() {
            let message = format!("another writer changed role {name} at the same time; both changes are kept");
            warnings.push(Warning::new(WarningId::Repeated, message));
        }
        written = seen.agreed;
    }
    Err(Error::new(ErrorKind::Conflict, format!("the trust policy of role {name} is changed by others all the time"))
        .with_cause(format!("after {MOST_REPEATS} writes it still was not what its tags say"))
        .with_hint("run the same command again when the others are done"))
}

fn taken_out(name: &RoleName, lost: &[String]) -> Error {
    Error::new(ErrorKind::Conflict, format!("role {name} does not let all subjects in"))
        .with_cause(format!("the record of {} was taken away by another writer at the same time", lost.join(", ")))
        .with_hint("run the same command again: it goes by what is there now")
}

/// A role as it is after a write of its trust policy.
struct Seen {
    standing: TrustPolicy,
    /// What the tags make of it.
    agreed: TrustPolicy,
    /// The `sub`s that were on record when the write was planned, and are not any more.
    lost: Vec<String>,
}

/// What stands after a write. While IAM still shows the state before our own writes, it is asked again, a few times.
async fn read_back(context: &Context<'_>, name: &RoleName, step: &TrustStep, written: &TrustPolicy) -> Result<Seen> {
    let mut waits = waits().with_max_times(MAX_WAITS).build();
    loop {
        let Some(role) = role_now(context, name).await? else { return Err(deleted_meanwhile(name)) };
        let ownership = Ownership::from_tags(&role.tags);
        if ownership.deletion.is_some() && !step.derivation.joining.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, format!("role {name} is being deleted by somebody else"))
                .with_hint("run the same command again when the delete has ended"));
        }
        let standing = TrustPolicy::from_stored(&role.trust_policy)?;
        let lost: Vec<String> =
            step.recorded.iter().filter(|member| !ownership.records(member)).map(Member::sub).collect();
        let seen = (standing == *written || standing != step.before) && lost.is_empty();
        match waits.next() {
            Some(wait) if !seen => pause(wait, "the trust policy of the role is not visible yet").await,
            _ => {
                let agreed = agree(step, &standing, &ownership)?;
                return Ok(Seen { standing, agreed, lost });
            }
        }
    }
}

/// The trust policy that the tags make of what stands. Who joins and was on record counts by the record alone.
fn agree(step: &TrustStep, standing: &TrustPolicy, ownership: &Ownership) -> Result<TrustPolicy> {
    let mut derivation = step.derivation.clone();
    derivation.joining.retain(|member| ownership.records(member) || !step.recorded.contains(member));
    Ok(derive(standing, ownership, &derivation)?.policy)
}

/// Lets an account go; where somebody changed it in between, what is there now decides. Warns of annotations that are back.
async fn release_account(
    context: &Context<'_>,
    cluster: &ClusterRef,
    account: &ServiceAccount,
    release: &Release,
) -> Result<Vec<Warning>> {
    let backend = context.backends.cluster(cluster)?;
    let annotated = || account.annotations.get(ROLE_ARN_ANNOTATION).and_then(|value| value.parse().ok());
    let role = annotated().or_else(|| context.plan.role_arn.clone());
    let (mut account, mut release) = (account.clone(), release.clone());
    if !Invariant::Preconditions.is_enforced()
        && let Some(now) = backend.service_account(&account.namespace, &account.name).await?
    {
        account = now;
    }
    for _ in 0..MOST_REPEATS {
        let result = match &release {
            Release::Nothing => return Ok(Vec::new()),
            Release::Unannotate(keys) => {
                backend.remove_annotations(&account, keys).await.map(|left| put_back(&left, keys).into_iter().collect())
            }
            Release::Delete => backend.delete_service_account(&account).await.map(|()| Vec::new()),
        };
        match result {
            Ok(warnings) => return Ok(warnings),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) if is_stale(&error) => {
                let Some(now) = backend.service_account(&account.namespace, &account.name).await? else {
                    return Ok(Vec::new());
                };
                release = service_account::release(&now, role.as_ref());
                account = now;
            }
            Err(error) => return Err(error),
        }
    }
    let service_account = ServiceAccountRef::new(&account.namespace, &account.name);
    Err(Error::new(ErrorKind::Conflict, format!("service account {service_account} is changed by others all the time"))
        .with_hint("run the same command again when the others are done"))
}

/// The annotations that were removed and are there all the same.
fn put_back(left: &ServiceAccount, removed: &BTreeMap<String, String>) -> Option<Warning> {
    let back = left.annotations.iter().filter(|(key, _)| removed.contains_key(*key));
    let back: Vec<String> = back.map(|(key, value)| format!("{key}: {value}")).collect();
    let message = format!(
        "service account {} keeps {}: an admission webhook or policy of the cluster puts it back",
        ServiceAccountRef::new(&left.namespace, &left.name),
        back.join(", ")
    );
    (!back.is_empty()).then(|| Warning::new(WarningId::AccountKept, message))
}
