//! The mark of a delete on its role: who deletes may write for a limited time, who creates waits until that time is over.
//!
//! IAM has no compare-and-swap for tags, and a process may end or stall at any point. So a mark is a lease: its writer stops
//! [`TERM`] after it was written, or writes a new one in time. A run that finds a mark and wants the role waits longer than
//! that, announces itself by a tag of its own, and looks at the mark once more. A delete that begins meanwhile writes its mark
//! first and looks for such tags afterwards: of two who meet, at least one sees the other and gives up.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backon::BackoffBuilder;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Context;
use super::current::{MAX_WAITS, deleted_meanwhile, role_now};
use crate::backend::Role;
use crate::binding::OWN_PREFIX;
use crate::error::{Error, ErrorKind, Result};
use crate::invariants::Invariant;
use crate::name::{InlinePolicyName, PolicyArn, RoleName};
use crate::ownership::{DeletionMark, ORIGIN_TAG, Origin, Ownership, REINSTATED_TAG_PREFIX, random_word};
use crate::plan::RoleSnapshot;
use crate::retry::{pause, until_consistent, waits};
use crate::trust::TrustPolicy;

/// How long a mark lets its writer go on, counted from just before it was sent.
const TERM: Duration = Duration::from_secs(20);

/// How much longer others wait: for a request that was sent within the term and arrives after it.
const MARGIN: Duration = Duration::from_secs(5);

/// When a run that waits looks whether the other has ended.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// A mark or tag that is older than this by the clock is not waited for. Clocks may differ by less than that: AWS refuses
/// requests that are signed more than five minutes off (IAM user guide, "Signature Version 4").
const OLD: Duration = Duration::from_secs(600);

/// The time until which the steps of a delete may begin and run; none before its mark and after its role is gone.
pub(super) type Deadline = watch::Sender<Option<Instant>>;

/// Marks a role as being deleted, then makes sure that it is as it was read. Who adds a subject writes its tag first and looks
/// for the mark afterwards: so of two who meet, at least one sees the other.
pub(super) async fn begin(context: &Context<'_>, name: &RoleName, expected: &RoleSnapshot) -> Result<Instant> {
    let mut expected = expected.clone();
    let left_over = reinstated_tags(&expected.tags);
    if !left_over.is_empty() {
        // Somebody reinstates the role, or broke off in between.
        let since = left_over.values().filter_map(|since| since.parse().ok()).max();
        wait_until_over(context, name, &expected, since).await?;
        untag(context, name, left_over.keys().cloned().collect()).await?;
        expected.tags.retain(|key, _| !left_over.contains_key(key));
    }
    let before = Ownership::from_tags(&expected.tags);
    let mark = DeletionMark::new(before.deletion.map_or(before.origin, |mark| mark.origin), seconds_now());
    let deadline = write_mark(context, name, &mark).await?;
    let role = read_until(context, name, |tags| tags.get(ORIGIN_TAG) == Some(&mark.tag_value())).await?;
    if is_marked(&role, &mark) && reinstated_tags(&role.tags).is_empty() && is_as_read(&role, &expected)? {
        return Ok(deadline);
    }
    // Somebody else has a part in it now: it stays, and the next run sees what is there.
    if is_marked(&role, &mark) {
        let before = match reinstated_tags(&role.tags).is_empty() {
            true => expected.tags.get(ORIGIN_TAG).cloned(),
            // The other run removes the mark that was there before this one.
            false => mark.origin.map(|origin| origin.as_str().to_owned()),
        };
        match before.filter(|_| role.id == expected.role_id) {
            Some(origin) => {
                let before = BTreeMap::from([(ORIGIN_TAG.to_owned(), origin)]);
                until_consistent(false, || context.backends.iam.tag_role(name, &before)).await?;
            }
            None => untag(context, name, BTreeSet::from([ORIGIN_TAG.to_owned()])).await?,
        }
    }
    Err(changed_meanwhile(name))
}

/// Removes the mark of a delete that has not ended, once it cannot go on any more, and makes sure that the role is as it was
/// read.
pub(super) async fn undo(context: &Context<'_>, name: &RoleName, expected: &RoleSnapshot) -> Result<()> {
    let Some(mark) = Ownership::from_tags(&expected.tags).deletion else { return Ok(()) };
    if Invariant::DeletionAwaited.is_enforced() {
        wait_until_over(context, name, expected, Some(mark.since)).await?;
    }
    let deadline = Instant::now() + TERM;
    match tokio::time::timeout_at(deadline, undo_in_time(context, name, (expected, &mark))).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("the delete of role {name} cannot be undone"))
            .with_cause(format!("it took longer than {} seconds", TERM.as_secs()))
            .with_hint("run the same command again")),
    }
}

async fn undo_in_time(
    context: &Context<'_>,
    name: &RoleName,
    (expected, mark): (&RoleSnapshot, &DeletionMark),
) -> Result<()> {
    let iam = context.backends.iam.as_ref();
    let own_tag = format!("{REINSTATED_TAG_PREFIX}{}", random_word());
    let announced = BTreeMap::from([(own_tag.clone(), seconds_now().to_string())]);
    until_consistent(false, || iam.tag_role(name, &announced)).await?;
    let role = read_until(context, name, |tags| tags.contains_key(&own_tag)).await?;
    let as_before = Ownership::from_tags(&role.tags).deletion.is_none() && origin_of(&role) == mark.origin;
    let is_same =
        role.tags.contains_key(&own_tag) && is_as_read(&role, expected)? && (is_marked(&role, mark) || as_before);
    if !is_same || !has_policies_as_read(context, name, expected).await? {
        untag(context, name, BTreeSet::from([own_tag])).await?;
        return Err(changed_meanwhile(name));
    }
    if as_before {
        // Another run has undone the delete.
        return untag(context, name, BTreeSet::from([own_tag])).await;
    }
    // Those of others that were there before have been waited for.
    let mut gone: BTreeSet<String> = reinstated_tags(&expected.tags).into_keys().collect();
    gone.insert(own_tag);
    match mark.origin.map(Origin::as_str) {
        Some(origin) => {
            let before = BTreeMap::from([(ORIGIN_TAG.to_owned(), origin.to_owned())]);
            until_consistent(false, || iam.tag_role(name, &before)).await?;
        }
        None => drop(gone.insert(ORIGIN_TAG.to_owned())),
    }
    untag(context, name, gone).await
}

/// Keeps the mark of a delete young. Where that fails, the deadline is now.
pub(super) async fn keep(context: &Context<'_>, deadline: &Deadline) -> Infallible {
    loop {
        let Some(ends) = *deadline.borrow() else { std::future::pending().await };
        tokio::time::sleep_until(ends.checked_sub(TERM / 2).unwrap_or(ends)).await;
        match renew(context).await {
            Ok(moved) => drop(deadline.send_replace(Some(moved))),
            Err(error) => {
                tracing::info!(%error, "the delete cannot go on");
                deadline.send_replace(Some(Instant::now()));
                std::future::pending().await
            }
        }
    }
}

/// Returns when the deadline has passed, wherever it is moved until then.
pub(super) async fn passed(deadline: &Deadline) {
    let mut moves = deadline.subscribe();
    loop {
        let ends = *moves.borrow_and_update();
        let moved = moves.changed();
        if let Some(ends) = ends {
            if tokio::time::timeout_at(ends, moved).await.is_err() {
                return;
            }
        } else if moved.await.is_err() {
            // Nobody moves it any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Writes a new mark, where one is still there and nobody has announced that the role is to stay.
async fn renew(context: &Context<'_>) -> Result<Instant> {
    let Some(name) = context.plan.role_name.as_ref() else { std::future::pending().await };
    let still_marked = |role: &Role| {
        let mark = Ownership::from_tags(&role.tags).deletion;
        mark.filter(|_| reinstated_tags(&role.tags).is_empty()).ok_or_else(|| changed_meanwhile(name))
    };
    let role = role_now(context, name).await?.ok_or_else(|| deleted_meanwhile(name))?;
    let mark = DeletionMark::new(still_marked(&role)?.origin, seconds_now());
    let deadline = write_mark(context, name, &mark).await?;
    let role = read_until(context, name, |tags| tags.get(ORIGIN_TAG) == Some(&mark.tag_value())).await?;
    still_marked(&role)?;
    Ok(deadline)
}

/// The error of a step that the term of the mark did not leave time for.
pub(super) fn too_late(name: Option<&RoleName>) -> Error {
    let name = name.map(ToString::to_string).unwrap_or_default();
    Error::new(ErrorKind::Conflict, format!("the delete of role {name} was stopped"))
        .with_cause("it made no progress for too long, and another run may have begun to restore the role")
        .with_hint("run the same command again: it goes by what is there now")
}

/// Writes a mark. The deadline counts from just before it was first sent, without the wait for a turn to write.
async fn write_mark(context: &Context<'_>, name: &RoleName, mark: &DeletionMark) -> Result<Instant> {
    let tags = BTreeMap::from([(ORIGIN_TAG.to_owned(), mark.tag_value())]);
    let first_sent = std::sync::OnceLock::new();
    let (tags, first_sent) = (&tags, &first_sent);
    until_consistent(false, || {
        Box::pin(async move {
            let (begun, waited) = (Instant::now(), context.waited.total());
            let result = context.backends.iam.tag_role(name, tags).await;
            first_sent.get_or_init(|| begun + context.waited.total().saturating_sub(waited));
            result
        })
    })
    .await?;
    Ok(first_sent.get().copied().unwrap_or_else(Instant::now) + TERM)
}

/// Waits until whoever wrote a mark or tag at this time, in seconds since the epoch, may not go on any more.
///
/// # Errors
/// `NotFound` or `Conflict` once the role is seen to be gone or marked otherwise: a delete mostly ends soon.
async fn wait_until_over(
    context: &Context<'_>,
    name: &RoleName,
    expected: &RoleSnapshot,
    since: Option<u64>,
) -> Result<()> {
    if since.is_some_and(|since| seconds_now().saturating_sub(since) >= OLD.as_secs()) {
        return Ok(());
    }
    // Not a part of the time that the binding has from its first write.
    context.waited.begin();
    pause(FIRST_LOOK, "another run has begun to delete or to restore the role, and may still be at it").await;
    let role = role_now(context, name).await?.ok_or_else(|| deleted_meanwhile(name))?;
    if role.id != expected.role_id || role.tags.get(ORIGIN_TAG) != expected.tags.get(ORIGIN_TAG) {
        return Err(changed_meanwhile(name));
    }
    pause(TERM + MARGIN - FIRST_LOOK, "another run has not ended its delete of the role").await;
    context.waited.end();
    Ok(())
}

/// The role, once a write of ours is seen; after a few tries as it is.
async fn read_until(
    context: &Context<'_>,
    name: &RoleName,
    shows: impl Fn(&BTreeMap<String, String>) -> bool,
) -> Result<Role> {
    let mut waits = waits().with_max_times(MAX_WAITS).build();
    loop {
        let Some(role) = role_now(context, name).await? else { return Err(deleted_meanwhile(name)) };
        match waits.next() {
            Some(wait) if !shows(&role.tags) => pause(wait, "the tags of the role are not visible yet").await,
            _ => return Ok(role),
        }
    }
}

async fn untag(context: &Context<'_>, name: &RoleName, keys: BTreeSet<String>) -> Result<()> {
    until_consistent(false, || context.backends.iam.untag_role(name, &keys)).await
}

fn is_marked(role: &Role, mark: &DeletionMark) -> bool {
    Ownership::from_tags(&role.tags).deletion.as_ref() == Some(mark)
}

/// Whether a role is the one that was read, with the same subjects and owner.
fn is_as_read(role: &Role, expected: &RoleSnapshot) -> Result<bool> {
    let own = |tags: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let counts = |key: &str| key.starts_with(OWN_PREFIX) && !key.starts_with(REINSTATED_TAG_PREFIX);
        let own = tags.iter().filter(|(key, _)| counts(key) && *key != ORIGIN_TAG);
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let trust = TrustPolicy::from_stored(&role.trust_policy)?;
    Ok(role.id == expected.role_id && own(&role.tags) == own(&expected.tags) && trust == expected.trust)
}

/// Whether a role still has the policies that were read: the delete may have removed some before it ended.
async fn has_policies_as_read(context: &Context<'_>, name: &RoleName, expected: &RoleSnapshot) -> Result<bool> {
    let iam = context.backends.iam.as_ref();
    let (attached, inline) = futures::future::try_join(
        until_consistent(false, || iam.attached_policies(name)),
        until_consistent(false, || iam.inline_policy_names(name)),
    )
    .await?;
    let attached: BTreeSet<PolicyArn> = attached.into_iter().flatten().collect();
    let inline: BTreeSet<InlinePolicyName> = inline.into_iter().flatten().collect();
    Ok(attached == expected.attached && inline == expected.inline)
}

fn reinstated_tags(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let announced = tags.iter().filter(|(key, _)| key.starts_with(REINSTATED_TAG_PREFIX));
    announced.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn origin_of(role: &Role) -> Option<Origin> {
    Ownership::from_tags(&role.tags).origin
}

fn changed_meanwhile(name: &RoleName) -> Error {
    Error::new(ErrorKind::Conflict, format!("role {name} was changed by others at the same time"))
        .with_cause("its tags or its trust policy are not what they were when the run was planned")
        .with_hint("run the same command again: it goes by what is there now")
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
