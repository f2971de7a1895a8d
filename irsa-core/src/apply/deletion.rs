//! The lease that a delete takes on a role, and how another run undoes an interrupted delete.
//!
//! IAM has no compare-and-swap for tags, and a process may end or stall at any point. The mark of a delete is therefore a lease:
//! its writer stops [`TERM`] after writing it, or renews it in time. A run that finds a mark and wants the role waits longer than
//! that, announces itself with a tag of its own, and reads the mark again. A delete that begins in the meantime writes its mark
//! first and reads those tags afterwards, so at least one of the two sees the other and gives up.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::poll_fn;
use std::ops::Add;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backon::BackoffBuilder;
use futures::future::{Either, select};
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

/// Duration of the lease, counted from just before the mark was first sent.
const TERM: Duration = Duration::from_secs(20);

/// Additional time that other runs wait, for requests that are sent within the term and arrive after it.
const MARGIN: Duration = Duration::from_secs(5);

/// When a waiting run first checks whether the other has ended.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// Age by the clock from which a mark or tag is not waited for. Clocks differ by less than that: AWS refuses requests that are
/// signed more than five minutes off (IAM user guide, "Signature Version 4").
const OLD: Duration = Duration::from_secs(600);

/// End of the lease, at which the steps of a delete stop; none before its mark is written and after its role is deleted.
pub(super) type Deadline = watch::Sender<Option<Moment>>;

/// A moment by two clocks: the monotonic one stands still while a machine sleeps, and the other can be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    fn is_past(&self) -> bool {
        Instant::now() >= self.monotonic || SystemTime::now() >= self.wall
    }

    /// Returns when the moment has come. The clocks are read at every poll: after a sleep of the machine, a task is polled for
    /// its connections before its timer fires.
    async fn reached(self) {
        let mut timer = pin!(tokio::time::sleep_until(self.monotonic));
        poll_fn(|context| if self.is_past() { Poll::Ready(()) } else { timer.as_mut().poll(context) }).await;
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { monotonic: self.monotonic + duration, wall: self.wall + duration }
    }
}

/// Marks a role as being deleted, then verifies that it is as it was read. A run that adds a subject writes the subject's tag
/// first and reads the mark afterwards, so at least one of the two sees the other.
pub(super) async fn begin(context: &Context<'_>, name: &RoleName, expected: &RoleSnapshot) -> Result<Moment> {
    let mut expected = expected.clone();
    let left_over = reinstated_tags(&expected.tags);
    if !left_over.is_empty() {
        // Another run is undoing a delete, or was interrupted while it did.
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
    // The mark stays: the one that it replaced may belong to a delete that is still running. The next run undoes it or goes on.
    if is_marked(&role, &mark) {
        if role.id != expected.role_id && !Ownership::from_tags(&role.tags).is_owned() {
            // Another role, created by another tool.
            untag(context, name, BTreeSet::from([ORIGIN_TAG.to_owned()])).await?;
        } else if let Some(origin) = mark.origin.filter(|_| !reinstated_tags(&role.tags).is_empty()) {
            // Another run undoes the delete, and may have removed the previous mark already.
            let before = BTreeMap::from([(ORIGIN_TAG.to_owned(), origin.as_str().to_owned())]);
            until_consistent(false, || context.backends.iam.tag_role(name, &before)).await?;
        }
    }
    Err(changed_meanwhile(name))
}

/// Removes the mark of an unfinished delete, once that delete can no longer write, and verifies that the role is as it was read.
pub(super) async fn undo(context: &Context<'_>, name: &RoleName, expected: &RoleSnapshot) -> Result<()> {
    let Some(mark) = Ownership::from_tags(&expected.tags).deletion else { return Ok(()) };
    if Invariant::DeletionAwaited.is_enforced() {
        wait_until_over(context, name, expected, Some(mark.since)).await?;
    }
    let own_tag = format!("{REINSTATED_TAG_PREFIX}{}", random_word());
    let announced = BTreeMap::from([(own_tag.clone(), seconds_now().to_string())]);
    let sent = tag(context, name, &announced).await?;
    let undone = undo_announced(context, name, (expected, &mark), own_tag);
    // The end is polled first: a write after it may collide with another run.
    match select(pin!((sent + TERM).reached()), pin!(undone)).await {
        Either::Right((result, _)) => result,
        Either::Left(_) => Err(Error::new(ErrorKind::Timeout, format!("cannot undo the delete of role {name}"))
            .with_cause(format!("it took longer than {} seconds", TERM.as_secs()))
            .with_hint("run the same command again")),
    }
}

/// The rest of an undo, which does not wait for turns to write: other runs wait only so long for it.
async fn undo_announced(
    context: &Context<'_>,
    name: &RoleName,
    (expected, mark): (&RoleSnapshot, &DeletionMark),
    own_tag: String,
) -> Result<()> {
    let iam = context.unlimited.iam.as_ref();
    let untag = async |keys: BTreeSet<String>| until_consistent(false, || iam.untag_role(name, &keys)).await;
    let role = read_until(context, name, |tags| tags.contains_key(&own_tag)).await?;
    let unmarked = Ownership::from_tags(&role.tags).deletion.is_none() && origin_of(&role) == mark.origin;
    let is_same =
        role.tags.contains_key(&own_tag) && is_as_read(&role, expected)? && (is_marked(&role, mark) || unmarked);
    if !is_same || !has_policies_as_read(context, name, expected).await? {
        untag(BTreeSet::from([own_tag])).await?;
        return Err(changed_meanwhile(name));
    }
    if unmarked {
        // Another run has undone the delete.
        return untag(BTreeSet::from([own_tag])).await;
    }
    // The tags of other runs that were there before have been waited for.
    let mut gone: BTreeSet<String> = reinstated_tags(&expected.tags).into_keys().collect();
    gone.insert(own_tag);
    match mark.origin.map(Origin::as_str) {
        Some(origin) => {
            let before = BTreeMap::from([(ORIGIN_TAG.to_owned(), origin.to_owned())]);
            until_consistent(false, || iam.tag_role(name, &before)).await?;
        }
        None => drop(gone.insert(ORIGIN_TAG.to_owned())),
    }
    untag(gone).await
}

/// Renews the mark of a delete in time. If that fails, the deadline is moved to now.
pub(super) async fn keep(context: &Context<'_>, deadline: &Deadline) -> Infallible {
    loop {
        let Some(ends) = *deadline.borrow() else { std::future::pending().await };
        tokio::time::sleep_until(ends.monotonic.checked_sub(TERM / 2).unwrap_or(ends.monotonic)).await;
        match renew(context).await {
            Ok(moved) => drop(deadline.send_replace(Some(moved))),
            Err(error) => {
                tracing::info!(%error, "the delete cannot go on");
                deadline.send_replace(Some(Moment::now()));
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
            if let Either::Left(_) = select(pin!(ends.reached()), pin!(moved)).await {
                return;
            }
        } else if moved.await.is_err() {
            // The sender is gone: the deadline stays unset.
            std::future::pending::<()>().await;
        }
    }
}

/// Writes a new mark, provided that one is still there and no run has announced that it undoes the delete.
async fn renew(context: &Context<'_>) -> Result<Moment> {
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

/// Error of a step that did not end before the deadline of the delete.
pub(super) fn too_late(name: Option<&RoleName>) -> Error {
    let name = name.map(ToString::to_string).unwrap_or_default();
    Error::new(ErrorKind::Conflict, format!("the delete of role {name} was stopped"))
        .with_cause("its lease on the role has expired, and another run may have begun to restore the role")
        .with_hint("run the same command again: it goes by what is there now")
}

/// Writes a mark and returns the end of its lease.
async fn write_mark(context: &Context<'_>, name: &RoleName, mark: &DeletionMark) -> Result<Moment> {
    let tags = BTreeMap::from([(ORIGIN_TAG.to_owned(), mark.tag_value())]);
    Ok(tag(context, name, &tags).await? + TERM)
}

/// Writes tags and returns when they were first sent, after the wait for a turn to write.
async fn tag(context: &Context<'_>, name: &RoleName, tags: &BTreeMap<String, String>) -> Result<Moment> {
    let first_sent = OnceLock::new();
    let first = &first_sent;
    until_consistent(false, || {
        Box::pin(async move {
            let (begun, waited) = (Moment::now(), context.waited.total());
            let result = context.backends.iam.tag_role(name, tags).await;
            let sent = first.get_or_init(|| begun + context.waited.total().saturating_sub(waited));
            result.map(|()| *sent)
        })
    })
    .await
}

/// Waits until the run that wrote a mark or tag at this time, in seconds since the epoch, can no longer write.
///
/// # Errors
/// `NotFound` or `Conflict` if the role is found deleted, or its mark changed, after a few seconds: most deletes end soon.
async fn wait_until_over(
    context: &Context<'_>,
    name: &RoleName,
    expected: &RoleSnapshot,
    since: Option<u64>,
) -> Result<()> {
    if since.is_some_and(|since| seconds_now().saturating_sub(since) >= OLD.as_secs()) {
        return Ok(());
    }
    // Waiting does not count against the deadline of the binding.
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

/// Reads the role until it shows our write; after a few tries, returns it as it is.
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn a_moment_is_past_when_it_is_by_either_clock() {
        let now = Moment::now();
        assert!(!(now + HOUR).is_past());
        assert!(Moment { wall: now.wall + HOUR, ..now }.is_past());
        assert!(Moment { monotonic: now.monotonic + HOUR, ..now }.is_past());
    }

    #[tokio::test]
    async fn a_moment_that_passed_while_the_machine_slept_is_seen_at_the_next_poll() {
        let now = Moment::now();
        let slept = Moment { monotonic: now.monotonic + HOUR, wall: now.wall + SOON };
        // A timeout polls what it bounds once more when it fires.
        assert!(tokio::time::timeout(SOON * 2, slept.reached()).await.is_ok());
        assert!(tokio::time::timeout(SOON * 2, (now + HOUR).reached()).await.is_err());
    }
}
