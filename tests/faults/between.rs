//! What others do while a command runs: just before each of its calls somebody changes the world. Then the same command
//! runs again, and it must end as if the change had been there before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use irsa_core::Outcome;
use irsa_core::sandbox::{Access, At, SandboxState};

use super::course::{Course, calls, told};
use super::judge::{difference, let_in, lost_accounts, meaning, subjects, unnamed};
use super::others::{Other, others};
use super::scenario::{Scenario, scenarios};
use super::{block_on, count, in_parallel, none_of, sandbox};

/// A change, and the number of the call, from 1, before which it comes.
struct Case<'a> {
    course: &'a Course,
    number: u64,
    other: Other,
}

/// All cases that differ: where the change does something, and the call before it depends on what changes.
fn cases(course: &Course) -> Vec<Case<'_>> {
    let mut found = Vec::new();
    for other in others() {
        let mut acted: Option<(&SandboxState, SandboxState)> = None;
        for (number, state) in (1_u64..).zip(&course.states) {
            let after = match acted.take() {
                Some((before, after)) if before == state => after,
                _ => {
                    let copy = sandbox(state);
                    other.act(&copy);
                    copy.state().unwrap()
                }
            };
            let last = (number > 1).then(|| course.call(number - 1));
            let differs = last.is_none_or(|call| {
                let depends = call.access == Access::Write && other.looks_around();
                depends || minds(call.method, state, &after)
            });
            if differs && after != *state {
                found.push(Case { course, number, other });
            }
            acted = Some((state, after));
        }
    }
    found
}

/// Whether a call finds another state in what it depends on. What others do by hand depends on no more than it changes.
fn minds(method: &str, one: &SandboxState, other: &SandboxState) -> bool {
    let roles = || one.roles != other.roles || one.instance_profiles != other.instance_profiles;
    match method {
        "role" | "attached_policies" | "inline_policy_names" | "inline_policy" | "instance_profiles" => roles(),
        "update_trust_policy"
        | "update_role"
        | "tag_role"
        | "untag_role"
        | "put_inline_policy"
        | "delete_inline_policy" => roles() || one.quotas != other.quotas,
        "attach_policy" | "detach_policy" | "put_permissions_boundary" => {
            roles() || one.quotas != other.quotas || one.policies != other.policies
        }
        "provider" => one.providers != other.providers,
        "policies" | "policy" | "policy_version" => one.policies != other.policies,
        "cluster"
        | "fingerprint"
        | "service_account"
        | "service_accounts"
        | "namespace"
        | "allowed"
        | "dry_run_service_account"
        | "apply_service_account"
        | "remove_annotations"
        | "delete_service_account" => one.clusters != other.clusters,
        _ => true,
    }
}

/// What a case came to.
#[derive(Default)]
struct Verdict {
    complaints: Vec<String>,
    /// Why it is right although it ends otherwise.
    by_design: Option<&'static str>,
}

/// Runs a scenario, and lets somebody else change the world just before one of its calls; then again.
async fn meet(case: &Case<'_>) -> Verdict {
    let scenario = &case.course.scenario;
    let start = sandbox(&scenario.before);
    // The states just before and just after the change.
    let seen: Arc<Mutex<Option<(SandboxState, SandboxState)>>> = Arc::default();
    let (notes, other) = (Arc::clone(&seen), case.other);
    start.faults().just_before(At::call(case.number), move |sandbox| {
        let before = sandbox.state().unwrap();
        other.act(sandbox);
        *notes.lock().unwrap() = Some((before, sandbox.state().unwrap()));
    });
    (scenario.standing)(start.faults());
    let first = scenario.wish.run(&start).await;
    let after_first = start.state().unwrap();
    let (before, changed) = seen.lock().unwrap().take().unwrap();
    let mut complaints = unnamed(&first, &[(&scenario.before, &before), (&changed, &after_first)]);
    complaints.extend(lost_accounts(&changed, &after_first));

    // What the command gives when it is started after the change.
    let (reference, wanted) = case.course.run_in(&changed).await;
    let (second, end) = case.course.run_in(&after_first).await;
    let mut otherwise = Vec::new();
    match (&reference, &second) {
        (Ok(_), Ok(_)) if meaning(&end) != meaning(&wanted) => {
            otherwise.push(format!("another end: {:?}", difference(&meaning(&wanted), &meaning(&end))));
        }
        (Ok(_), Ok(_)) => {}
        (_, Err(refusal)) => {
            let done = |outcome| matches!(outcome, Outcome::Done | Outcome::RolledBack);
            if refusal.report().is_some_and(|report| report.steps.iter().any(|step| done(step.outcome)))
                || meaning(&end) != meaning(&after_first)
            {
                complaints.push("the refusal changed something".to_owned());
            }
            if reference.is_ok() {
                otherwise.push("refused, unlike after the change".to_owned());
            }
        }
        (Err(_), Ok(_)) => otherwise.push("not refused, unlike after the change".to_owned()),
    }
    let (third, after_third) = case.course.run_in(&end).await;
    if after_third != end || third.is_err() != second.is_err() || third.is_ok_and(|report| report.changed) {
        complaints.push("a third run changes something".to_owned());
    }
    // Whatever is lost, nobody is let in whom neither the other nor the command lets in.
    let allowed: BTreeSet<String> =
        [&scenario.before, &changed, &case.course.end, &wanted].into_iter().flat_map(let_in).collect();
    let strangers: Vec<String> = subjects(&end).difference(&allowed).cloned().collect();
    if !strangers.is_empty() {
        complaints.push(format!("strangers are let in: {strangers:?}"));
    }
    let by_design = if otherwise.is_empty() { None } else { by_design(case) };
    if by_design.is_none() {
        complaints.append(&mut otherwise);
    }
    if !complaints.is_empty() {
        let call = case.course.call(case.number);
        let call = format!("{} ({} {})", case.number, call.method, call.target);
        let place = format!("{}, {} before call {call}", scenario.name, case.other.name());
        let history =
            format!("first: {}\n    alone: {}\n    second: {}", told(&first), told(&reference), told(&second));
        complaints = vec![format!("{place}: {}\n    {history}", complaints.join("; "))];
    }
    Verdict { complaints, by_design }
}

/// Why a case may end otherwise than after the change.
fn by_design(case: &Case<'_>) -> Option<&'static str> {
    let (scenario, other) = (case.course.scenario.name.as_str(), case.other.name());
    let read = case.course.calls.iter().position(|call| call.method == "role");
    let role_is_read = read.is_some_and(|read| read + 1 < usize::try_from(case.number).unwrap());
    match other {
        _ if scenario == "create where tags are refused" && role_is_read => {
            Some("a role that is made without tags is on nobody's record until it is tagged")
        }
        _ if case.other.tampers() && role_is_read => Some(
            "another program writes trust, tags or the role itself by hand between our read and our write: IAM has no \
             compare-and-swap, and such a program keeps no record that could be read again",
        ),
        // The deed changes what a run that starts later knows of the binding, not what becomes of it.
        "the service account is deleted" | "the service account is made anew" | "the namespace is deleted"
            if scenario.starts_with("delete") =>
        {
            Some(
                "the role is found by the annotation: a run that has read it before knows more than one that starts later",
            )
        }
        "the annotation goes to another role" if scenario.starts_with("delete") => Some(
            "the role is gone when the second run begins: only the annotation that leads nowhere is left to be undone",
        ),
        "another run deletes the binding" if scenario == "delete the owner and another of several" => {
            Some("the further subjects are found by the first: a run that has read them before knows more")
        }
        "an instance profile takes the role" if matches!(scenario, "delete" | "delete all of several") => {
            Some("policies are gone already when DeleteRole is refused; the second run keeps the role without them")
        }
        "another run adds a subject" if scenario == "delete an adopted one" => {
            Some("the subject stays, and stays on record; the role that is given back has no owner")
        }
        "the inline policies are deleted" if scenario == "replace what another tool wrote" => {
            Some("the document keeps the name under which it was read; a run that starts later gives it its own")
        }
        "another run makes the same" if scenario == "delete a provider" => {
            Some("nothing ties a role to a provider in IAM: who trusts it is read before, once")
        }
        _ => None,
    }
}

/// What comes of others in all cases of these scenarios.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Scenarios, their calls, and cases.
    numbers: (usize, usize, usize),
    pub(super) complaints: Vec<String>,
    /// How often each reason to end otherwise counted.
    excused: BTreeMap<&'static str, usize>,
}

pub(super) fn met(scenarios: impl IntoIterator<Item = Scenario>) -> Met {
    let courses: Vec<Course> = scenarios.into_iter().map(Course::new).collect();
    let cases: Vec<Case<'_>> = in_parallel(&courses, cases);
    let excused: Mutex<BTreeMap<&'static str, usize>> = Mutex::default();
    let complaints = in_parallel(&cases, |case| {
        let verdict = block_on(meet(case));
        verdict.by_design.into_iter().for_each(|why| *excused.lock().unwrap().entry(why).or_default() += 1);
        verdict.complaints
    });
    let numbers = (courses.len(), calls(&courses), cases.len());
    Met { numbers, complaints, excused: excused.into_inner().unwrap() }
}

#[test]
fn what_others_do_in_between_counts_as_if_it_had_been_there_before() {
    let drifted = |name: &str| name.starts_with("repair: ") && !name.contains("subject tags");
    let Met { numbers: (scenarios, calls, cases), complaints, excused } =
        met(scenarios().into_iter().filter(|scenario| !drifted(&scenario.name)));
    count(&format!(
        "other actors: {scenarios} scenarios, {calls} calls, {cases} cases, {} violations",
        complaints.len()
    ));
    for (why, cases) in excused {
        count(&format!("  {cases} end otherwise by design: {why}"));
    }
    assert!(cases > 3000, "{cases}");
    none_of(&complaints);
}
