//! Disables one invariant at a time: the simulation must notice each time. An invariant that nothing misses is either not
//! needed, or not tested.

use std::panic::{AssertUnwindSafe, catch_unwind};

use irsa_core::invariants::{Invariant, without};

use super::scenario::{Scenario, scenarios};
use super::{between, cancelled, count, matrix, races, refused, retries};
use crate::rights;

/// The part of the simulation that tests an invariant.
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
    RaceWithCreate,
}

fn part(invariant: Invariant) -> Part {
    match invariant {
        Invariant::TrustBeforeAnnotation => Part::Matrix(&["create", "move subjects and policies"]),
        Invariant::ServiceAccountLast => Part::Cancelled(&["delete everything"]),
        Invariant::SubjectTags | Invariant::TrustReadBack => Part::RaceOfSubjects,
        Invariant::StillAbsent => Part::RaceOfRoles,
        Invariant::DeletionMark => Part::RaceWithDelete,
        Invariant::DeletionDeadline | Invariant::DeletionAwaited => Part::RaceWithCreate,
        Invariant::RemoveSubjectsBeforeGrants
        | Invariant::RevokeBeforeAddingSubjects
        | Invariant::DenyingDocuments
        | Invariant::DenyingPolicies => Part::Rights,
        Invariant::ReplacementFirst => Part::Replacements,
        Invariant::Owner
        | Invariant::Adoption
        | Invariant::ForeignAnnotation
        | Invariant::Quotas
        | Invariant::DryRun
        | Invariant::RightCluster
        | Invariant::TrustedProvider => Part::Refused,
        Invariant::Preconditions => Part::Between(&["delete"]),
        Invariant::RollBack => Part::Matrix(&["create"]),
        Invariant::ConsistencyWaits => Part::Retries,
    }
}

fn named(names: &[&str]) -> Vec<Scenario> {
    let found: Vec<Scenario> = scenarios().into_iter().filter(|scenario| names.contains(&&*scenario.name)).collect();
    assert_eq!(found.len(), names.len(), "{names:?}");
    found
}

/// What a part of the simulation finds, with the scenarios made by the program as it is.
fn violations(part: Part, invariant: Option<Invariant>) -> Vec<String> {
    let found = |run: &dyn Fn() -> Vec<String>| {
        // A program that breaks the simulation's own expectations is seen as well.
        let run = AssertUnwindSafe(|| without(invariant, run));
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
        Part::RaceWithCreate => found(&races::create_against_delete),
    }
}

#[test]
fn simulation_fails_without_any_one_invariant() {
    let mut missed = Vec::new();
    for invariant in Invariant::ALL {
        let found = violations(part(invariant), Some(invariant));
        let first = found.first().and_then(|first| first.lines().next()).unwrap_or("nothing");
        let first: String = first.chars().take(150).collect();
        count(&format!("without {invariant:?}: {} violations by {:?}, such as {first}", found.len(), part(invariant)));
        if found.is_empty() || found == ["the simulation itself breaks off"] {
            missed.push(invariant);
        }
    }
    assert!(missed.is_empty(), "nothing misses {missed:?}");
}
