//! Stage four, apply: the steps of a plan, stage by stage, the steps of a stage at the same time.
//!
//! # Guarantees
//! Each step is idempotent, so the same request again finishes what broke off. The report names all that was done, failed
//! or not begun, also on failure. A role made here whose later write is refused for good is rolled back; so is one whose
//! account turns out to belong to another role, and what is stored otherwise than it was asked for.

mod current;
mod deletion;
mod rollback;
mod run;
mod stored;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, join_all, select};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::deletion::Deadline;
use self::rollback::roll_back;
use self::run::{Done, run_step};
use crate::backend::collect_warnings;
use crate::error::{Error, ErrorKind, Result};
use crate::invariants::Invariant;
use crate::observe::Backends;
use crate::plan::{Plan, Step};
use crate::rate_limit::{RateLimitedIam, RateLimiter, Waited};
use crate::report::{Outcome, Report, StepReport, Warning};

/// What became of a step.
enum State {
    Waiting,
    Done(Done),
    Failed(Error),
    /// It was done, and something else than was asked for is stored.
    Altered(Done, Error),
    /// It was done and rolled back; with its error where it was altered.
    RolledBack(Option<Error>),
}

impl State {
    fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) | Self::Altered(_, error) | Self::RolledBack(Some(error)) => Some(error),
            Self::Waiting | Self::Done(_) | Self::RolledBack(None) => None,
        }
    }

    /// What was done and is still there.
    fn done(&self) -> Option<&Done> {
        match self {
            Self::Done(done) | Self::Altered(done, _) => Some(done),
            Self::Waiting | Self::Failed(_) | Self::RolledBack(_) => None,
        }
    }
}

/// What the steps of one run share.
pub(crate) struct Context<'a> {
    pub(crate) backends: &'a Backends,
    pub(crate) plan: &'a Plan,
    /// Whether the plan makes the role, so that IAM may not know it everywhere yet.
    pub(crate) fresh: bool,
    /// The back ends without the limit of writes.
    unlimited: &'a Backends,
    /// How long the step has waited for turns to write and for other runs.
    waited: Arc<Waited>,
}

/// On what terms a plan is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// The longest time from the first write, without what is spent waiting for turns to write.
    pub(crate) timeout: Duration,
    /// The limit of writes, shared with others.
    pub(crate) rate_limiter: Option<&'a Arc<RateLimiter>>,
    /// Ends the work between two stages.
    pub(crate) cancellation: Option<&'a CancellationToken>,
}

/// Does what a plan says.
///
/// # Errors
/// The first failure, which carries the report of what had been done; `Interrupted` where it was stopped before its end.
pub(crate) async fn apply(backends: &Backends, plan: &Plan, terms: Terms<'_>) -> Result<Report> {
    let (result, warnings) = collect_warnings(&plan.warnings, apply_stages(backends, plan, terms).boxed()).await;
    match result {
        Ok(mut report) => {
            report.warnings.extend(warnings);
            Ok(report)
        }
        Err(error) => Err(error.with_more_warnings(warnings)),
    }
}

async fn apply_stages(backends: &Backends, plan: &Plan, terms: Terms<'_>) -> Result<Report> {
    let fresh = plan.steps().any(|step| matches!(step, Step::CreateRole(_)));
    let context = Context { backends, plan, fresh, unlimited: backends, waited: Arc::default() };
    let deadline = Deadline::new(None);
    let mut left = terms.timeout;
    let mut stopped = false;
    let mut stages: Vec<Vec<State>> =
        plan.stages.iter().map(|stage| stage.iter().map(|_| State::Waiting).collect()).collect();
    for (steps, states) in plan.stages.iter().zip(&mut stages) {
        stopped = terms.cancellation.is_some_and(CancellationToken::is_cancelled);
        if stopped {
            break;
        }
        let runs = steps.iter().map(|step| run_in_time(&context, step, left, (&terms, &deadline)));
        let (work, keep) = (pin!(join_all(runs)), pin!(deletion::keep(&context, &deadline)));
        let results = match select(work, keep).await {
            Either::Left((results, _)) => results,
            Either::Right((never, _)) => match never {},
        };
        let (mut failed, mut longest) = (false, Duration::ZERO);
        for ((step, state), (result, took)) in steps.iter().zip(states.iter_mut()).zip(results) {
            longest = longest.max(took);
            match (step, &result) {
                (Step::BeginDelete(_), Ok(done)) => drop(deadline.send_replace(done.deadline)),
                // The deadline protects the role, and it is gone.
                (Step::DeleteRole, Ok(_)) => drop(deadline.send_replace(None)),
                _ => {}
            }
            *state = match result {
                Ok(mut done) => match done.altered.take() {
                    None => State::Done(done),
                    Some(error) => State::Altered(done, error),
                },
                Err(error) => State::Failed(error),
            };
            failed |= state.error().is_some();
        }
        left = left.saturating_sub(longest);
        if failed {
            break;
        }
    }
    let mut states: Vec<(&Step, State)> = plan.steps().zip(stages.into_iter().flatten()).collect();
    let left = roll_back_if_refused(&context, &mut states).await;
    conclude(plan, states, left, stopped)
}

/// One step, and how much of the time that was left it took.
async fn run_in_time(
    context: &Context<'_>,
    step: &Step,
    left: Duration,
    (terms, deletion): (&Terms<'_>, &Deadline),
) -> (Result<Done>, Duration) {
    let begun = Instant::now();
    let waited = Arc::new(Waited::default());
    let paced = terms.rate_limiter.map(|rate_limiter| {
        let iam = RateLimitedIam::new(Arc::clone(&context.backends.iam), Arc::clone(rate_limiter), Arc::clone(&waited));
        Backends { iam: Arc::new(iam), ..context.backends.clone() }
    });
    let backends = paced.as_ref().unwrap_or(context.backends);
    let context = Context { backends, waited: Arc::clone(&waited), ..*context };
    let stopped = async {
        match Invariant::DeletionDeadline.is_enforced() {
            true => deletion::passed(deletion).await,
            false => std::future::pending().await,
        }
        Err(deletion::too_late(context.plan.role_name.as_ref()))
    };
    let run = async { run_step(&context, step).await.map_err(|error| context.plan.explained(error)) };
    let mut run = pin!(async {
        // The deadline is polled first: a write after it may collide with another run.
        match select(pin!(stopped), pin!(run)).await {
            Either::Left((late, _)) => late,
            Either::Right((done, _)) => done,
        }
    });
    // Time spent waiting for a turn moves the deadline. A time that no clock can tell is no deadline.
    let ends = || left.checked_add(waited.total()).and_then(|allowed| begun.checked_add(allowed));
    let result = loop {
        let Some(end) = ends() else { break run.await };
        match tokio::time::timeout_at(end, &mut run).await {
            Ok(result) => break result,
            Err(_) if ends().is_none_or(|moved| moved > end) => {}
            Err(_) => {
                let timeout = terms.timeout.as_secs_f64();
                break Err(Error::new(ErrorKind::Timeout, format!("{} did not end in time", step.action()))
                    .with_cause(format!("the deadline for the binding is {timeout} seconds from its first write"))
                    .with_hint("run the same command again: it goes on from what is there"));
            }
        }
    };
    (result, begun.elapsed().saturating_sub(waited.total()))
}

/// Rolls back what was made, where the role is new and all that failed was refused for good.
async fn roll_back_if_refused(context: &Context<'_>, states: &mut [(&Step, State)]) -> Vec<Warning> {
    let mut failures = states.iter().filter_map(|(_, state)| state.error().map(Error::is_permanent));
    let is_new_role = |(step, state): &(&Step, State)| {
        matches!(step, Step::CreateRole(_)) && state.done().is_some_and(|done| done.made)
    };
    let made = states.iter().any(is_new_role);
    let refused = failures.clone().next().is_some() && failures.all(|for_good| for_good);
    if made && refused && Invariant::RollBack.is_enforced() { roll_back(context, states).await } else { Vec::new() }
}

/// The report, and the first failure with it.
fn conclude(plan: &Plan, states: Vec<(&Step, State)>, left: Vec<Warning>, stopped: bool) -> Result<Report> {
    let mut report = Report { steps: Vec::new(), changed: false, ..plan.report() };
    let mut first = None;
    for (step, state) in states {
        let (outcome, done, error) = match state {
            State::Waiting => (Outcome::NotRun, None, None),
            State::RolledBack(error) => (Outcome::RolledBack, None, error),
            State::Done(done) => (Outcome::Done, Some(done), None),
            State::Altered(done, error) => (Outcome::Failed, Some(done), Some(error)),
            State::Failed(error) => (Outcome::Failed, None, Some(error)),
        };
        report.changed |= done.is_some();
        report.warnings.extend(done.into_iter().flat_map(|done| done.warnings));
        let text =
            |error: &Error| std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ");
        report.steps.push(StepReport { error: error.as_ref().map(text), ..step.report(plan, outcome) });
        first = first.or(error);
    }
    report.warnings.extend(left);
    match first {
        None if stopped => Err(interrupted(&plan.binding).with_report(report)),
        None => Ok(report),
        Some(error) => Err(error.with_report(report)),
    }
}

/// The error of a binding that was stopped before its end.
pub(crate) fn interrupted(binding: &str) -> Error {
    Error::new(ErrorKind::Interrupted, format!("binding {binding} was stopped before its end"))
        .with_hint("run the same command again: it goes on from what is there")
}
