//! Stage four, apply: the steps of a plan, stage by stage, the steps of a stage at the same time.
//!
//! # Guarantees
//! Each step is idempotent, so the same request again finishes what broke off. The report names all that was done, failed
//! or not begun, also on failure. A role made here whose later write is refused for good is taken back.

mod run;
mod take_back;

use std::time::Duration;

use tokio::time::Instant;

use self::run::{Done, run_step};
use self::take_back::take_back;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Guard;
use crate::observe::Backends;
use crate::plan::{Plan, Step};
use crate::report::{Outcome, Report, StepReport, Warning};

/// What became of a step.
enum State {
    Waiting,
    Done(Done),
    Failed(Error),
    TakenBack,
}

/// What the steps of one run share.
pub(crate) struct Context<'a> {
    pub(crate) backends: &'a Backends,
    pub(crate) plan: &'a Plan,
    /// Whether the plan makes the role, so that IAM may not know it everywhere yet.
    pub(crate) fresh: bool,
}

/// Does what a plan says, within `timeout` from its first write.
///
/// # Errors
/// The first failure, which carries the report of what had been done.
pub(crate) async fn apply(backends: &Backends, plan: &Plan, timeout: Duration) -> Result<Report> {
    let fresh = plan.steps().any(|step| matches!(step, Step::CreateRole(_)));
    let context = Context { backends, plan, fresh };
    // A time that no clock can tell is no deadline.
    let deadline = Instant::now().checked_add(timeout);
    let mut stages: Vec<Vec<State>> =
        plan.stages.iter().map(|stage| stage.iter().map(|_| State::Waiting).collect()).collect();
    for (steps, states) in plan.stages.iter().zip(&mut stages) {
        let runs = steps.iter().map(|step| run_in_time(&context, step, deadline, timeout));
        let mut failed = false;
        for (state, result) in states.iter_mut().zip(futures::future::join_all(runs).await) {
            *state = match result {
                Ok(done) => State::Done(done),
                Err(error) => {
                    failed = true;
                    State::Failed(error)
                }
            };
        }
        if failed {
            break;
        }
    }
    let mut states: Vec<(&Step, State)> = plan.stages.iter().flatten().zip(stages.into_iter().flatten()).collect();
    let left = take_back_if_refused(&context, &mut states).await;
    conclude(plan, states, left)
}

async fn run_in_time(context: &Context<'_>, step: &Step, deadline: Option<Instant>, timeout: Duration) -> Result<Done> {
    let run = async { run_step(context, step).await.map_err(|error| context.plan.explained(error)) };
    let Some(deadline) = deadline else { return run.await };
    match tokio::time::timeout_at(deadline, run).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{} did not end in time", step.action()))
            .with_cause(format!(
                "the deadline for the binding is {} seconds from its first write",
                timeout.as_secs_f64()
            ))
            .with_hint("run the same command again: it goes on from what is there")),
    }
}

/// Takes back what was made, where the role is new and all that failed was refused for good.
async fn take_back_if_refused(context: &Context<'_>, states: &mut [(&Step, State)]) -> Vec<Warning> {
    let mut failures = states.iter().filter_map(|(_, state)| match state {
        State::Failed(error) => Some(error.kind()),
        _ => None,
    });
    let made = states
        .iter()
        .any(|(step, state)| matches!((step, state), (Step::CreateRole(_), State::Done(done)) if done.made));
    let refused = failures.clone().next().is_some() && failures.all(ErrorKind::is_permanent);
    if made && refused && Guard::TakeBack.stands() { take_back(context, states).await } else { Vec::new() }
}

/// The report, and the first failure with it.
fn conclude(plan: &Plan, states: Vec<(&Step, State)>, left: Vec<Warning>) -> Result<Report> {
    let mut report = Report { steps: Vec::new(), changed: false, ..plan.report() };
    let mut first = None;
    for (step, state) in states {
        let entry = |outcome| step.report(plan.role_name.as_ref(), outcome);
        report.steps.push(match state {
            State::Waiting => entry(Outcome::NotRun),
            State::TakenBack => entry(Outcome::TakenBack),
            State::Done(done) => {
                report.changed = true;
                report.warnings.extend(done.warnings);
                entry(Outcome::Done)
            }
            State::Failed(error) => {
                let text = std::iter::once(error.to_string()).chain(error.causes()).collect::<Vec<_>>().join(": ");
                first.get_or_insert(error);
                StepReport { error: Some(text), ..entry(Outcome::Failed) }
            }
        });
    }
    report.warnings.extend(left);
    match first {
        None => Ok(report),
        Some(error) => Err(error.with_report(report)),
    }
}
