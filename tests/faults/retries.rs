//! What time heals is waited for, a bounded time, wherever it is answered: the conditions of IAM's eventual consistency.

use irsa_core::backend::ROLE_UNFINISHED;
use irsa_core::sandbox::{Access, At, Failure};
use irsa_core::{Error, ErrorKind};

use super::course::Course;
use super::judge::meaning;
use super::scenario::{Scenario, create, scenarios, world};
use super::{block_on, count, in_parallel, none_of, sandbox};
use crate::world::ROLE;

/// The writes to an API server, which are seen at once.
const CLUSTER_WRITES: [&str; 4] =
    ["create_namespace", "apply_service_account", "remove_annotations", "delete_service_account"];

/// The number of cases in which IAM is not ready twice, and those that fail.
pub(super) fn complaints(scenarios: Vec<Scenario>) -> (usize, Vec<String>) {
    let courses: Vec<Course> = scenarios.into_iter().map(Course::new).collect();
    let mut cases = Vec::new();
    for course in &courses {
        let made = course.calls.iter().position(|call| call.method == "create_role");
        for (index, call) in course.calls.iter().enumerate() {
            if call.access == Access::Read || CLUSTER_WRITES.contains(&call.method) {
                continue;
            }
            cases.extend(["ConcurrentModification", "EntityTemporarilyUnmodifiable"].map(|code| (course, index, code)));
            if call.method == "delete_role" {
                cases.push((course, index, "DeleteConflict"));
            }
            // Right after a create IAM may not know the role everywhere.
            if made.is_some_and(|made| made < index)
                && call.method != "create_role"
                && !call.method.contains("provider")
            {
                cases.push((course, index, "NoSuchEntity"));
            }
        }
    }
    let complaints = in_parallel(&cases, |(course, index, code)| {
        let (scenario, call) = (&course.scenario, &course.calls[*index]);
        let sandbox = sandbox(&scenario.before);
        let number = u64::try_from(*index).unwrap() + 1;
        let nth = course.calls[..*index].iter().filter(|earlier| earlier.method == call.method).count();
        // Two tries more than the one of the plan are refused as well.
        sandbox.faults().fail_before(At::call(number), (*code, "m"));
        sandbox.faults().fail_before(At::method(call.method, u64::try_from(nth).unwrap() + 2), (*code, "m"));
        (scenario.standing)(sandbox.faults());
        let result = block_on(scenario.wish.run(&sandbox));
        let same = meaning(&sandbox.state().unwrap()) == meaning(&course.end);
        match result {
            Ok(_) if same => vec![],
            other => vec![format!("{}, {code} at call {number} ({}): {other:?}", scenario.name, call.method)],
        }
    });
    (cases.len(), complaints)
}

#[test]
fn what_time_heals_is_no_failure() {
    let (cases, complaints) = complaints(scenarios());
    count(&format!("eventual consistency: {cases} cases, {} violations", complaints.len()));
    assert!(cases > 100, "{cases}");
    none_of(&complaints);
}

/// A role that has its unique id in place of its ARN is still being made.
#[test]
fn a_role_without_an_arn_is_waited_for() {
    let sandbox = sandbox(&world());
    let unfinished = || Failure::from(Error::new(ErrorKind::Unavailable, "no ARN yet").with_code(ROLE_UNFINISHED));
    block_on(super::scenario::Wish::from(create()).run(&sandbox)).unwrap();
    sandbox.faults().fail_before(At::method("role", 1).times(3), unfinished());
    let report = block_on(super::scenario::Wish::from(create()).run(&sandbox)).unwrap();
    assert!(!report.changed && sandbox.faults().unused().is_empty());
    // Where the first answer to CreateRole was lost, the role is read that it met.
    sandbox.remove_role(&ROLE.parse().unwrap()).unwrap();
    sandbox.faults().clear();
    sandbox.faults().twice(("create_role", 1)).fail_before(At::method("role", 2).times(3), unfinished());
    block_on(super::scenario::Wish::from(create()).run(&sandbox)).unwrap();
    assert!(sandbox.faults().unused().is_empty());
}

/// Waiting ends: a condition that time does not heal is told, well before the deadline.
#[test]
fn waiting_is_bounded() {
    let sandbox = sandbox(&world());
    sandbox.faults().fail_before("attach_policy", ("ConcurrentModification", "m"));
    let (error, waited) = block_on(async {
        let begun = tokio::time::Instant::now();
        let result = super::scenario::Wish::from(create()).run(&sandbox).await;
        (result.unwrap_err(), begun.elapsed())
    });
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("ConcurrentModification")));
    assert!((20..60).contains(&waited.as_secs()), "{waited:?}");
    let tries = sandbox.calls().iter().filter(|call| call.method == "attach_policy").count();
    assert!((5..30).contains(&tries), "{tries}");
}
