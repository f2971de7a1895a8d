//! Writers at the same time: two or three of them, each a process of its own, in every order of their calls.

use std::cell::Cell;
use std::collections::BTreeSet;

use irsa_core::backend::IamBackend;
use irsa_core::name::RoleName;
use irsa_core::sandbox::SandboxState;
use irsa_core::{ErrorKind, IrsaBinding, ROLE_ARN_ANNOTATION, Report, Request, Result, Sandbox};
use serde_json::json;

use super::judge::{meaning, subjects};
use super::scenario::{Wish, after, bare, changed, client, create, world};
use super::schedule::{Explored, Writer, explore, explore_some};
use super::{block_on, count};
use crate::world::ROLE;

fn writers(wishes: &[Request]) -> impl Fn(&Sandbox) -> Vec<Writer> {
    let wishes: Vec<Wish> = wishes.iter().cloned().map(Wish::from).collect();
    move |sandbox| {
        let run = |wish: &Wish| -> Writer {
            let (wish, sandbox) = (wish.clone(), sandbox.clone());
            Box::pin(async move { wish.run(&sandbox).await })
        };
        wishes.iter().map(run).collect()
    }
}

/// Whether a subject of the namespace `default` is let in and its account is bound.
fn is_there(state: &SandboxState, name: &str) -> bool {
    let role = state.roles.get(ROLE).map(|role| role.trust_policy.to_string()).unwrap_or_default();
    let cluster = &state.clusters[&"sandbox".parse::<irsa_core::name::ClusterRef>().unwrap()];
    let account = cluster.namespaces["default"].service_accounts.get(name);
    role.contains(&format!("\"system:serviceaccount:default:{name}\""))
        && account.is_some_and(|account| account.annotations.contains_key(ROLE_ARN_ANNOTATION))
}

fn adds(name: &str) -> Request {
    Request::update(bare("sa").with_subject(format!("default/{name}")).build().unwrap())
}

fn deletes(name: &str) -> Request {
    Request::delete(IrsaBinding::builder("sandbox", "default", name).build().unwrap())
}

/// What came of a race.
#[derive(Debug)]
pub(super) struct Raced {
    explored: Explored,
    ends: usize,
    pub(super) complaints: Vec<String>,
}

/// Explores, and checks of each end that whoever says that it is done has it, and that the same commands, one after the
/// other, then finish the work. Each end is looked at once.
fn race(state: &SandboxState, wishes: &[Request], kept: impl Fn(&SandboxState, &[bool]) -> Vec<String>) -> Raced {
    let done = |results: &[Result<Report>]| -> Vec<bool> { results.iter().map(Result::is_ok).collect() };
    race_with_switches(state, wishes, |end, results| kept(end, &done(results)), usize::MAX)
}

/// The same of the orders with few [switches](explore_some).
fn race_with_switches(
    state: &SandboxState,
    wishes: &[Request],
    kept: impl Fn(&SandboxState, &[Result<Report>]) -> Vec<String>,
    most_switches: usize,
) -> Raced {
    race_of(state, (wishes, writers(wishes)), kept, most_switches)
}

/// The same of writers that run these wishes in their own way.
fn race_of(
    state: &SandboxState,
    (wishes, writers): (&[Request], impl Fn(&Sandbox) -> Vec<Writer>),
    kept: impl Fn(&SandboxState, &[Result<Report>]) -> Vec<String>,
    most_switches: usize,
) -> Raced {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut complaints = Vec::new();
    let explored = explore_some(
        state,
        writers,
        |_| {},
        |sandbox, results| {
            let done: Vec<bool> = results.iter().map(Result::is_ok).collect();
            let end = sandbox.state().unwrap();
            if !seen.insert(format!("{done:?} {}", serde_json::to_string(&meaning(&end)).unwrap())) {
                return;
            }
            let mut found = kept(&end, results);
            for (wish, _) in wishes.iter().zip(&done).filter(|(_, done)| !**done) {
                let again = block_on(Wish::from(wish.clone()).run(sandbox));
                if let Err(error) = &again
                    && error.report().is_some()
                {
                    found.push(format!("the same command again fails half-way: {error:?}"));
                }
            }
            if !found.is_empty() {
                let told: Vec<String> = results.iter().map(super::course::told).collect();
                let calls: Vec<&str> = sandbox.calls().iter().map(|call| call.method).collect();
                complaints.push(format!("{found:?}\n    {}\n    {}", told.join("\n    "), calls.join(" ")));
            }
        },
        most_switches,
    );
    Raced { explored, ends: seen.len(), complaints }
}

fn tell(what: &str, Raced { explored, ends, complaints }: &Raced) {
    count(&format!(
        "races, {what}: {} orders, {} calls, {ends} ends, at most {} writes of the trust policy, {} violations",
        explored.orders,
        explored.calls,
        explored.most_trust_writes,
        complaints.len()
    ));
    super::none_of(complaints);
    assert!(explored.orders > 10, "{explored:?}");
}

/// Everybody who is done is there.
fn all_there(names: &'static [&'static str]) -> impl Fn(&SandboxState, &[bool]) -> Vec<String> {
    move |end, done| {
        let lost = names.iter().zip(done).filter(|(name, done)| **done && !is_there(end, name));
        lost.map(|(name, _)| format!("{name} is lost although its writer was done")).collect()
    }
}

#[test]
fn two_who_make_the_same_binding() {
    let done = race(&world(), &[create(), create()], all_there(&["sa", "sa"]));
    tell("the same wish", &done);
}

/// Whoever is done has the account, and the role of whoever is not is taken back.
pub(super) fn different_roles() -> Raced {
    different_roles_from(&world())
}

fn different_roles_from(state: &SandboxState) -> Raced {
    let roles = ["one", "two"];
    let wishes = roles.map(|role| Request::create(bare("sa").with_role_name(role).build().unwrap()));
    race(state, &wishes, |end, done| {
        let account = end.clusters[&"sandbox".parse::<irsa_core::name::ClusterRef>().unwrap()].namespaces["default"]
            .service_accounts
            .get("sa");
        let bound = account.and_then(|account| account.annotations.get(ROLE_ARN_ANNOTATION));
        let mut found = Vec::new();
        for (role, done) in roles.iter().zip(done) {
            if *done && !bound.is_some_and(|arn| arn.ends_with(&format!("role/{role}"))) {
                found.push(format!("{role} is done, and the account has {bound:?}"));
            }
            if *done != end.roles.keys().any(|name| name.as_str() == *role) {
                found.push(format!("{role} is done: {done}, and its role is left or lost"));
            }
        }
        found
    })
}

#[test]
fn two_who_give_one_account_different_roles() {
    tell("different roles for one account", &different_roles());
    let bare_account = changed(&world(), |state| {
        let cluster = state.clusters.get_mut(&"sandbox".parse::<irsa_core::name::ClusterRef>().unwrap()).unwrap();
        let accounts = &mut cluster.namespaces.get_mut("default").unwrap().service_accounts;
        accounts.insert("sa".parse().unwrap(), irsa_core::sandbox::ServiceAccountState::default());
    });
    tell("different roles for one account that is there", &different_roles_from(&bare_account));
}

pub(super) fn different_subjects() -> Raced {
    race(&after(&world(), create()), &[adds("d"), adds("e")], all_there(&["d", "e"]))
}

#[test]
fn two_who_add_different_subjects() {
    let done = different_subjects();
    tell("different subjects", &done);
    assert!(done.explored.most_trust_writes <= 6, "{done:?}");
}

#[test]
fn one_who_adds_a_subject_and_one_who_takes_another_away() {
    let whole = after(&after(&world(), create()), adds("c"));
    let done = race(&whole, &[adds("d"), deletes("c")], |end, done| {
        let mut found = all_there(&["d"])(end, done);
        if done[1] && subjects(end).contains("system:serviceaccount:default:c") {
            found.push("c is still let in although its delete was done".to_owned());
        }
        found
    });
    tell("add against delete of another", &done);
}

pub(super) fn a_subject_against_the_delete_of_the_role() -> Raced {
    race(&after(&world(), create()), &[adds("d"), deletes("sa")], all_there(&["d"]))
}

#[test]
fn one_who_adds_a_subject_and_one_who_removes_another_by_update() {
    let whole = after(&after(&world(), create()), adds("c"));
    let removes = Request::update(bare("sa").build().unwrap()).removing_subject("default/c").unwrap();
    let done = race(&whole, &[adds("d"), removes], |end, done| {
        let mut found = all_there(&["d"])(end, done);
        if done[1] && subjects(end).contains("system:serviceaccount:default:c") {
            found.push("c is still let in although its removal was done".to_owned());
        }
        found
    });
    tell("add against removal of another", &done);
}

#[test]
fn one_who_adds_a_subject_and_one_who_deletes_the_role() {
    tell("add against delete of the role", &a_subject_against_the_delete_of_the_role());
}

/// A create and a delete with their long waits have too many orders. One switch to the other writer and one back are what a
/// lost update needs.
const FEW_SWITCHES: usize = 2;

/// With two policies, so that a delete takes several steps.
fn with_two_policies() -> Request {
    let document = json!({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let binding = bare("sa").with_policy("AmazonS3ReadOnlyAccess").with_inline_document("s3", document);
    Request::create(binding.build().unwrap())
}

/// What a delete of the binding leaves that breaks off just before a call.
fn after_broken_delete(method: &'static str) -> SandboxState {
    let sandbox = super::sandbox(&after(&world(), with_two_policies()));
    sandbox.faults().fail_before((method, 1), ("ServiceFailure", "try later"));
    block_on(Wish::from(deletes("sa")).run(&sandbox)).unwrap_err();
    sandbox.state().unwrap()
}

/// Whether the binding is there with all that its create asks for.
fn works(state: &SandboxState) -> bool {
    let complete = state.roles.get(ROLE).is_some_and(|role| role.attached.len() == 1 && role.inline.len() == 1);
    complete && is_there(state, "sa")
}

/// The same, and no mark of a delete is on the role.
fn is_whole(state: &SandboxState) -> bool {
    works(state) && state.roles[ROLE].tags.get("irsa.gen3.org/origin").is_some_and(|origin| origin == "created")
}

/// Whether the role carries the mark of a delete.
fn is_marked(state: &SandboxState) -> bool {
    let origin = state.roles.get(ROLE).and_then(|role| role.tags.get("irsa.gen3.org/origin"));
    origin.is_some_and(|origin| origin.starts_with("deleting"))
}

/// Whatever came of a race: the same create afterwards makes the binding whole, and the same delete deletes it.
fn what_later_runs_cannot_mend(end: &SandboxState) -> Vec<String> {
    let mut found = Vec::new();
    if !is_whole(&after(end, with_two_policies())) {
        found.push("a create afterwards does not make the binding whole".to_owned());
    }
    let deleted = after(end, deletes("sa"));
    if deleted.roles.contains_key(ROLE) || is_there(&deleted, "sa") {
        found.push("a delete afterwards leaves something".to_owned());
    }
    found
}

/// A create against a delete of the same binding.
fn create_against_delete_from(state: &SandboxState) -> (Raced, usize) {
    let halves = Cell::new(0);
    let wishes = [with_two_policies(), deletes("sa")];
    let judge = |end: &SandboxState, results: &[Result<Report>]| {
        let done: Vec<bool> = results.iter().map(Result::is_ok).collect();
        let begun = results[1].as_ref().is_err_and(|error| error.report().is_some_and(|report| report.changed));
        let gone = !end.roles.contains_key(ROLE) && !is_there(end, "sa");
        let mut found = Vec::new();
        // Both done is one after the other: the binding is whole, or nothing is left of it.
        if done == [true, true] && !gone && !is_whole(end) {
            halves.set(halves.get() + 1);
        }
        // A delete that gave up may leave the mark that it found; one that was refused half-way leaves a half, with its mark.
        let marked = is_marked(end);
        if done == [true, false] && !works(end) && !(begun && marked) {
            found.push("the create is done and the delete is not, but the binding does not work".to_owned());
        }
        if done == [false, true] && !gone {
            found.push("the delete is done and the create is not, but something is left".to_owned());
        }
        found.extend(what_later_runs_cannot_mend(end));
        found
    };
    let raced = race_with_switches(state, &wishes, judge, FEW_SWITCHES);
    (raced, halves.get())
}

pub(super) fn create_against_delete() -> Vec<String> {
    let whole = after(&world(), with_two_policies());
    let half = after_broken_delete("delete_role");
    [whole, half].iter().flat_map(|state| create_against_delete_from(state).0.complaints).collect()
}

#[test]
fn create_against_delete_of_the_same_binding() {
    let whole = after(&world(), with_two_policies());
    let drifted = changed(&whole, |state| state.roles.get_mut(ROLE).unwrap().attached.clear());
    for (name, state) in [("whole", whole), ("drifted", drifted)] {
        let (raced, halves) = create_against_delete_from(&state);
        tell(&format!("create against delete, {name}"), &raced);
        // A role that is made again between the last two writes of its delete loses the account: an API server cannot tie
        // the delete of an account to a role. The same create again makes it.
        assert!(halves <= 1, "{halves} ends with half a binding");
    }
}

#[test]
fn create_against_delete_after_a_delete_that_broke_off() {
    for method in ["update_trust_policy", "detach_policy", "delete_role"] {
        let (raced, halves) = create_against_delete_from(&after_broken_delete(method));
        tell(&format!("create against delete, broken off before {method}"), &raced);
        assert!(halves <= 1, "{halves} ends with half a binding");
    }
}

/// Both deletes are planned before either of them marks the role: the one that gives up must not unmark it for the other.
/// Deletes that were planned there leave few enough orders of three writers.
#[test]
fn a_create_against_two_deletes_of_the_same_binding() {
    let whole = after(&world(), with_two_policies());
    let wishes = [deletes("sa"), deletes("sa"), with_two_policies()];
    let writers = |sandbox: &Sandbox| -> Vec<Writer> {
        let planned = |request: &Request| -> Writer {
            let client = client(sandbox);
            let plan = block_on(client.plan(request)).unwrap();
            Box::pin(async move { client.apply(&plan).await })
        };
        let (sandbox, create) = (sandbox.clone(), Wish::from(wishes[2].clone()));
        let creates: Writer = Box::pin(async move { create.run(&sandbox).await });
        vec![planned(&wishes[0]), planned(&wishes[1]), creates]
    };
    let judge = |end: &SandboxState, results: &[Result<Report>]| {
        let has_begun =
            |deleted: &Result<Report>| deleted.as_ref().is_err_and(|e| e.report().is_some_and(|report| report.changed));
        let mut found = what_later_runs_cannot_mend(end);
        // A delete that is done may have come after the create.
        if results[2].is_ok() && results[..2].iter().all(Result::is_err) && !works(end) {
            let told = results[..2].iter().any(has_begun) && is_marked(end);
            if !told {
                found.push("the create is done, no delete is, and the binding does not work".to_owned());
            }
        }
        found
    };
    tell("create against two deletes", &race_of(&whole, (&wishes, writers), judge, 1));
}

#[test]
fn two_who_create_after_a_delete_that_broke_off() {
    let wishes = [with_two_policies(), with_two_policies()];
    let judge =
        |end: &SandboxState, results: &[Result<Report>]| match results.iter().any(Result::is_ok) && !is_whole(end) {
            true => vec!["a create is done, and the binding is not whole".to_owned()],
            false => vec![],
        };
    let raced = race_with_switches(&after_broken_delete("delete_role"), &wishes, judge, FEW_SWITCHES);
    tell("two creates after a delete that broke off", &raced);
}

/// Without a record of subjects and a second look, the last writer wins: some order loses a subject although both are done.
#[test]
fn without_tags_and_a_second_look_a_subject_is_lost() {
    async fn naive(sandbox: Sandbox, name: &str) -> Result<Report> {
        let role = RoleName::new(ROLE)?;
        let mut policy: serde_json::Value =
            serde_json::from_str(&IamBackend::role(&sandbox, &role).await?.unwrap().trust_policy).unwrap();
        for subject in policy["Statement"][0]["Condition"]["StringEquals"].as_object_mut().unwrap().values_mut() {
            let mut all: Vec<String> = subject
                .as_array()
                .map_or_else(|| vec![subject.clone()], Clone::clone)
                .iter()
                .filter_map(|sub| sub.as_str().map(str::to_owned))
                .collect();
            if all.iter().any(|sub| sub.starts_with("system:")) {
                all.push(format!("system:serviceaccount:default:{name}"));
                *subject = json!(all);
            }
        }
        sandbox.update_trust_policy(&role, &policy.to_string()).await?;
        // What a command gives that finds nothing to do.
        Wish::from(Request::delete(bare("nobody").build()?)).run(&super::sandbox(&world())).await
    }
    let whole = after(&world(), create());
    let writers = |sandbox: &Sandbox| -> Vec<Writer> {
        vec![Box::pin(naive(sandbox.clone(), "d")), Box::pin(naive(sandbox.clone(), "e"))]
    };
    let mut lost = 0;
    let explored = explore(
        &whole,
        writers,
        |_| {},
        |sandbox, results| {
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            let there = subjects(&sandbox.state().unwrap());
            lost += usize::from(
                ["d", "e"].iter().any(|name| !there.contains(&format!("system:serviceaccount:default:{name}"))),
            );
        },
    );
    assert!(lost > 0 && lost < explored.orders, "{lost} of {explored:?}");
    count(&format!("races, without tags: {lost} of {} orders lose a subject", explored.orders));
}

/// Where something takes the record of a subject away all the time, its writer is not told that it is done.
#[test]
fn whose_record_is_lost_is_told_so() {
    let strip = |sandbox: &Sandbox| {
        let edited = sandbox.edit(|state| {
            state.roles.values_mut().for_each(|role| role.tags.retain(|key, _| !key.contains("/subject.")));
            Ok(())
        });
        edited.unwrap();
    };
    explore(&after(&world(), create()), writers(&[adds("d")]), strip, |sandbox, results| {
        let error = results[0].as_ref().unwrap_err();
        assert!(error.kind() == ErrorKind::Conflict && error.causes()[0].contains("default:d"), "{error:?}");
        assert!(!subjects(&sandbox.state().unwrap()).contains("system:serviceaccount:default:d"));
    });
}
