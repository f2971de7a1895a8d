//! Runs that are dropped: after every step that the future of a command makes, it goes away, as when somebody presses Ctrl-C
//! or a caller stops waiting. The same command then finishes the work.

use std::task::Poll;
use std::time::Duration;

use irsa_core::sandbox::At;

use super::course::Course;
use super::judge::{difference, meaning};
use super::scenario::{Scenario, scenarios};
use super::{block_on, count, in_parallel, none_of, sandbox};

/// In how many steps a run may end.
const MAX_STEPS: u64 = 400;

/// Polls a run so often, then drops it. Whether it had ended before.
///
/// Each call waits before and after its effect, and no two for the same time, so that each step is one of one call.
async fn drop_after(steps: u64, scenario: &Scenario, sandbox: &irsa_core::Sandbox) -> bool {
    for number in 1..=MAX_STEPS {
        sandbox.faults().delay(At::call(number), Duration::from_millis(1 + 37 * number % 101));
        sandbox.faults().answer_late(At::call(number), Duration::from_millis(1 + 53 * number % 89));
    }
    (scenario.standing)(sandbox.faults());
    let mut left = steps;
    let mut run = std::pin::pin!(scenario.wish.run(sandbox));
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        run.as_mut().poll(context).map(|_| true)
    })
    .await
}

fn dropped_everywhere(scenario: &Scenario) -> (u64, Vec<String>) {
    let course = Course::new(scenario.clone());
    let mut complaints = Vec::new();
    for steps in 1..MAX_STEPS {
        let start = sandbox(&scenario.before);
        if block_on(drop_after(steps, scenario, &start)) {
            return (steps, complaints);
        }
        let left = start.state().unwrap();
        let (second, end) = block_on(course.run_in(&left));
        let (third, last) = block_on(course.run_in(&end));
        let same = meaning(&end) == meaning(&course.end);
        if !same || second.is_err() || last != end || third.map_or(true, |report| report.changed) {
            let differs = difference(&meaning(&course.end), &meaning(&end));
            complaints.push(format!("{} dropped after {steps} steps: {second:?}, {differs:?}", scenario.name));
        }
    }
    (MAX_STEPS, vec![format!("{} does not end", scenario.name)])
}

/// The number of steps after which a run was dropped, and what went wrong.
pub(super) fn complaints(scenarios: &[Scenario]) -> (u64, Vec<String>) {
    let steps = std::sync::atomic::AtomicU64::new(0);
    let complaints = in_parallel(scenarios, |scenario| {
        let (ended, complaints) = dropped_everywhere(scenario);
        steps.fetch_add(ended, std::sync::atomic::Ordering::Relaxed);
        complaints
    });
    (steps.into_inner(), complaints)
}

#[test]
fn a_run_that_is_dropped_anywhere_is_finished_by_the_next() {
    let scenarios = scenarios();
    let (steps, complaints) = complaints(&scenarios);
    let (runs, violations) = (scenarios.len(), complaints.len());
    count(&format!("cancelled: {runs} scenarios, dropped after each of {steps} steps, {violations} violations"));
    none_of(&complaints);
}
