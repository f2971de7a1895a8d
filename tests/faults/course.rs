//! A scenario with what its run does when nothing goes wrong: the measure of all runs in which something does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use irsa_core::sandbox::{At, Call, SandboxState};
use irsa_core::{Report, Result};

use super::scenario::Scenario;
use super::{block_on, sandbox};

pub(super) struct Course {
    pub(super) scenario: Scenario,
    pub(super) calls: Vec<Call>,
    /// The state before each call.
    pub(super) states: Vec<SandboxState>,
    pub(super) end: SandboxState,
    /// What the command gives in a state: it follows from the state alone, and many cases meet in the same state.
    known: Mutex<HashMap<String, (Result<Report>, SandboxState)>>,
}

impl Course {
    pub(super) fn new(scenario: Scenario) -> Self {
        let sandbox = sandbox(&scenario.before);
        let states = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&states);
        sandbox.faults().just_before(At::always(), move |sandbox| {
            seen.lock().unwrap().push(sandbox.state().unwrap());
        });
        (scenario.standing)(sandbox.faults());
        block_on(scenario.wish.run(&sandbox)).unwrap_or_else(|error| panic!("{}: {error:?}", scenario.name));
        let (calls, end) = (sandbox.calls(), sandbox.state().unwrap());
        let again = block_on(scenario.run(&sandbox)).unwrap();
        assert!(!again.changed, "{}: {:?}", scenario.name, again.steps);
        let states = states.lock().unwrap().clone();
        Self { scenario, calls, states, end, known: Mutex::default() }
    }

    /// What the command gives in a state when nothing goes wrong, and the state after it.
    pub(super) async fn run_in(&self, state: &SandboxState) -> (Result<Report>, SandboxState) {
        let key = serde_json::to_string(state).unwrap();
        if let Some(known) = self.known.lock().unwrap().get(&key) {
            return known.clone();
        }
        let sandbox = sandbox(state);
        let result = self.scenario.run(&sandbox).await;
        let known = (result, sandbox.state().unwrap());
        self.known.lock().unwrap().insert(key, known.clone());
        known
    }

    /// A call of the run, by its number from 1.
    pub(super) fn call(&self, number: u64) -> &Call {
        &self.calls[usize::try_from(number).unwrap() - 1]
    }
}

/// The number of calls of all runs.
pub(super) fn calls(courses: &[Course]) -> usize {
    courses.iter().map(|course| course.calls.len()).sum()
}

/// What a run says for itself, in a line.
pub(super) fn told(result: &Result<Report>) -> String {
    let (what, report) = match result {
        Ok(report) => ("ok".to_owned(), Some(report)),
        Err(error) => (format!("{}: {error}: {}", error.kind(), error.causes().join(": ")), error.report()),
    };
    let steps: Vec<_> = report.iter().flat_map(|report| &report.steps).map(|s| (s.action, s.outcome)).collect();
    format!("{what}, {steps:?}")
}
