//! The guards, taken away one at a time: the simulation must see it each time. A guard that nothing misses is either not
//! needed, or not tested.

use std::panic::{AssertUnwindSafe, catch_unwind};

use irsa_core::guard::{Guard, without};

use super::scenario::{Scenario, scenarios};
use super::{between, cancelled, count, matrix, races, refused, retries};
use crate::rights;

/// The part of the simulation that a guard is there for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// Calls that fail.
    Matrix(&'static [&'static str]),
    /// Runs that are dropped.
    Cancelled(&'static [&'static str]),
    /// Others in between.
    Between(&'static [&'static str]),
    Refused,
    Retries,
    Rights,
    Replacements,
    RaceOfSubjects,
    RaceOfRoles,
    RaceWithDelete,
}

fn part(guard: Guard) -> Part {
    match guard {
        Guard::TrustBeforeAnnotation => Part::Matrix(&["create", "move subjects and policies"]),
        Guard::AccountLast => Part::Cancelled(&["delete everything"]),
        Guard::SubjectTags | Guard::ReadAgain => Part::RaceOfSubjects,
        Guard::AccountStillAbsent => Part::RaceOfRoles,
        Guard::DeletionMark => Part::RaceWithDelete,
        Guard::LeaveBeforeGain | Guard::LossBeforeJoin | Guard::DenyingDocuments | Guard::DenyingPolicies => {
            Part::Rights
        }
        Guard::ReplacementFirst => Part::Replacements,
        Guard::Owner
        | Guard::Adoption
        | Guard::AnnotationOfOthers
        | Guard::Quotas
        | Guard::DryRun
        | Guard::RightCluster
        | Guard::TrustedProvider => Part::Refused,
        Guard::Preconditions => Part::Between(&["delete"]),
        Guard::TakeBack => Part::Matrix(&["create"]),
        Guard::Waits => Part::Retries,
    }
}

fn named(names: &[&str]) -> Vec<Scenario> {
    let found: Vec<Scenario> = scenarios().into_iter().filter(|scenario| names.contains(&&*scenario.name)).collect();
    assert_eq!(found.len(), names.len(), "{names:?}");
    found
}

/// What a part of the simulation finds, with the scenarios made by the program as it is.
fn violations(part: Part, guard: Option<Guard>) -> Vec<String> {
    let found = |run: &dyn Fn() -> Vec<String>| {
        // A program that breaks the simulation's own expectations is seen as well.
        let run = AssertUnwindSafe(|| without(guard, run));
        catch_unwind(run).unwrap_or_else(|_| vec!["the simulation itself breaks off".to_owned()])
    };
    match part {
        Part::Matrix(names) => {
            let scenarios = named(names);
            found(&|| matrix::complaints(scenarios.clone(), false).1)
        }
        Part::Cancelled(names) => {
            let scenarios = named(names);
            found(&|| cancelled::complaints(&scenarios).1)
        }
        Part::Between(names) => {
            let scenarios = named(names);
            found(&|| between::met(scenarios.clone()).complaints)
        }
        Part::Refused => {
            let cases = refused::refused();
            found(&|| refused::complaints(&cases))
        }
        Part::Retries => {
            let scenarios = named(&["create", "delete"]);
            found(&|| retries::complaints(scenarios.clone()).1)
        }
        Part::Rights => found(&|| rights::violation(400, 0).into_iter().collect()),
        Part::Replacements => found(&|| rights::replacement_violation(400, 0).into_iter().collect()),
        Part::RaceOfSubjects => found(&|| races::different_subjects().complaints),
        Part::RaceOfRoles => found(&|| races::different_roles().complaints),
        Part::RaceWithDelete => found(&|| races::a_subject_against_the_delete_of_the_role().complaints),
    }
}

#[test]
fn without_any_one_guard_the_simulation_fails() {
    let mut missed = Vec::new();
    for guard in Guard::ALL {
        let found = violations(part(guard), Some(guard));
        let first = found.first().and_then(|first| first.lines().next()).unwrap_or("nothing");
        let first: String = first.chars().take(150).collect();
        count(&format!("without {guard:?}: {} violations by {:?}, such as {first}", found.len(), part(guard)));
        if found.is_empty() || found == ["the simulation itself breaks off"] {
            missed.push(guard);
        }
    }
    assert!(missed.is_empty(), "nothing misses {missed:?}");
}
