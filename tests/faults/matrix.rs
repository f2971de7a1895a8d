//! The fault matrix: every call of every scenario, and of the repair of every state that a crash in one leaves, fails before
//! or after its effect, is throttled, hangs, or is done twice; then the same command runs again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use irsa_core::Sandbox;
use irsa_core::sandbox::{Access, At, Call, Faults};

use super::course::{Course, calls, told};
use super::judge::{difference, left_unsaid, meaning, misled, not_rolled_back, unnamed};
use super::scenario::{Scenario, scenarios};
use super::{block_on, count, in_parallel, none_of, sandbox};
use crate::holdings::{Holdings, wrong};

/// How one call goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It fails with this code and has no effect.
    Before(&'static str),
    /// It takes effect and fails: the answer is lost.
    After(&'static str),
    /// It is throttled in so many runs.
    Throttled(u64),
    /// It never ends, and has no effect.
    Hangs,
    /// It takes effect, and the answer comes after the deadline.
    Late,
    /// It is done twice, since the SDK tried again after a lost answer.
    Twice,
}

const FAULTS: [Fault; 10] = [
    Fault::Before("ServiceFailure"),
    Fault::Before("AccessDenied"),
    Fault::Before("ExpiredToken"),
    Fault::Before("LimitExceeded"),
    Fault::After("ServiceFailure"),
    Fault::Throttled(1),
    Fault::Throttled(3),
    Fault::Hangs,
    Fault::Late,
    Fault::Twice,
];

impl Fault {
    /// Sets the fault for a call; `run` counts the runs so far.
    fn set(self, faults: &Faults, call: &Call, number: u64, run: u64) {
        let at = At::call(number);
        let cluster = CLUSTER_METHODS.contains(&call.method);
        match self {
            Self::Before(code) => drop(faults.fail_before(at, (as_said_by(cluster, code), "m"))),
            Self::After(code) => drop(faults.fail_after(at, (as_said_by(cluster, code), "m"))),
            Self::Throttled(times) if run < times => {
                faults.fail_before(at, (as_said_by(cluster, "Throttling"), "m"));
            }
            Self::Throttled(_) => {}
            Self::Hangs => drop(faults.hang(at)),
            Self::Late => drop(faults.answer_late(at, Duration::from_secs(3600))),
            Self::Twice => drop(faults.twice(at)),
        }
    }

    /// In how many runs it strikes.
    fn runs(self) -> u64 {
        if let Self::Throttled(times) = self { times } else { 1 }
    }
}

/// The methods of an API server; all others are AWS's.
const CLUSTER_METHODS: [&str; 12] = [
    "fingerprint",
    "service_account",
    "service_accounts",
    "service_accounts_in",
    "namespace",
    "namespaces",
    "create_namespace",
    "allowed",
    "dry_run_service_account",
    "apply_service_account",
    "remove_annotations",
    "delete_service_account",
];

/// A code of AWS as the API server would say it.
fn as_said_by(cluster: bool, code: &'static str) -> &'static str {
    match code {
        _ if !cluster => code,
        "ServiceFailure" => "InternalError",
        "Throttling" => "TooManyRequests",
        "ExpiredToken" => "Unauthorized",
        _ => "Forbidden",
    }
}

/// One of the cases of the matrix: a call, by its number from 1, that goes wrong.
struct Case<'a> {
    course: &'a Course,
    number: u64,
    fault: Fault,
}

/// How the calls of a run go wrong. `again` is the repair of what another run has left when it broke off.
fn faults(call: &Call, again: bool) -> impl Iterator<Item = Fault> {
    let write = call.access == Access::Write;
    FAULTS.into_iter().filter(move |fault| match fault {
        Fault::Before("ServiceFailure") => true,
        Fault::After("ServiceFailure") | Fault::Before("AccessDenied") | Fault::Hangs if again => write,
        _ if again => false,
        // A read has no effect that could outlive its answer.
        Fault::Before("AccessDenied") | Fault::Throttled(1) | Fault::Hangs => true,
        _ => write,
    })
}

/// Looks at who holds what before each write of a run.
fn watch(sandbox: &Sandbox) -> Arc<Mutex<Vec<Holdings>>> {
    let seen: Arc<Mutex<Vec<Holdings>>> = Arc::default();
    let notes = Arc::clone(&seen);
    sandbox.faults().just_before(At::write(1).times(u64::MAX), move |sandbox| {
        notes.lock().unwrap().push(Holdings::of(&sandbox.state().unwrap()));
    });
    seen
}

/// Runs a scenario with one call that goes wrong, then again: it must end as without the fault.
async fn strike(case: &Case<'_>) -> Vec<String> {
    let (course, fault) = (case.course, case.fault);
    let scenario = &course.scenario;
    let call = course.call(case.number);
    let sandbox = sandbox(&scenario.before);
    let mut complaints = Vec::new();
    let mut history = Vec::new();
    let (start, wanted) = (Holdings::of(&scenario.before), Holdings::of(&course.end));
    for run in 0..fault.runs() {
        let before = sandbox.state().unwrap();
        sandbox.faults().clear();
        fault.set(sandbox.faults(), call, case.number, run);
        let on_the_way = watch(&sandbox);
        (scenario.standing)(sandbox.faults());
        let result = scenario.wish.run(&sandbox).await;
        let after = sandbox.state().unwrap();
        on_the_way.lock().unwrap().push(Holdings::of(&after));
        complaints.extend(on_the_way.lock().unwrap().iter().find_map(|held| wrong(held, &start, &wanted)));
        complaints.extend(misled(&scenario.before, &after));
        complaints.extend(not_rolled_back(&result, &before, &after));
        complaints.extend(unnamed(&result, &[(&before, &after)]));
        complaints.extend(left_unsaid(&result, &before, &after));
        if matches!(fault, Fault::Twice) && !CLUSTER_METHODS.contains(&call.method) && result.is_err() {
            complaints.push("what the SDK repeats by itself is no failure".to_owned());
        }
        history.push(told(&result));
    }
    let (second, end) = course.run_in(&sandbox.state().unwrap()).await;
    history.push(told(&second));
    if second.is_err() {
        complaints.push("the second run does not converge".to_owned());
    }
    if meaning(&end) != meaning(&course.end) {
        complaints.push(format!("another end: {:?}", difference(&meaning(&course.end), &meaning(&end))));
    }
    let (third, after_third) = course.run_in(&end).await;
    if third.as_ref().map_or(true, |report| report.changed) || after_third != end {
        complaints.push(format!("a third run changes something: {}", told(&third)));
    }
    if complaints.is_empty() {
        return complaints;
    }
    let place = format!("{}, call {} ({} {}), {fault:?}", scenario.name, case.number, call.method, call.target);
    vec![format!("{place}: {}\n    {}", complaints.join("; "), history.join("\n    "))]
}

/// All calls of these scenarios fail in all ways. The numbers, and what went wrong.
pub(super) fn complaints(proper: Vec<Scenario>, repair: bool) -> ((usize, usize, usize), Vec<String>) {
    let halves = if repair { proper.iter().flat_map(Scenario::broken_off).collect() } else { Vec::new() };
    let whole = proper.len();
    let courses: Vec<Course> = proper.into_iter().chain(halves).map(Course::new).collect();
    let mut cases = Vec::new();
    for (index, course) in courses.iter().enumerate() {
        for (number, call) in (1..).zip(&course.calls) {
            cases.extend(faults(call, index >= whole).map(|fault| Case { course, number, fault }));
        }
    }
    let complaints = in_parallel(&cases, |case| block_on(strike(case)));
    ((courses.len(), calls(&courses), cases.len()), complaints)
}

#[test]
fn whatever_fails_the_same_command_again_finishes_the_work() {
    let ((scenarios, calls, cases), complaints) = complaints(scenarios(), true);
    count(&format!(
        "fault matrix: {scenarios} scenarios, {calls} calls, {cases} cases, {} violations",
        complaints.len()
    ));
    assert!(cases > 4000, "{cases}");
    none_of(&complaints);
}
