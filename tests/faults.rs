//! The failure behaviour, proven by simulation: every call of every scenario goes wrong in every way, writers meet in every
//! order, and runs are dropped wherever they wait. Time is tokio's paused clock, so that waiting costs nothing.

mod between;
mod cancelled;
mod course;
mod judge;
mod matrix;
mod mutants;
mod others;
mod races;
mod refused;
mod retries;
mod scenario;
mod schedule;

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use irsa_core::Sandbox;
use irsa_core::invariants::{Invariant, without};
use irsa_core::sandbox::SandboxState;

/// A sandbox that holds this state.
fn sandbox(state: &SandboxState) -> Sandbox {
    Sandbox::from_state(state.clone()).unwrap()
}

/// Runs a future to its end, with a clock that stands still while anything can go on.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

/// Works through all cases on all cores, and gives what each of them gives.
fn in_parallel<'a, T: Sync, R: Send>(cases: &'a [T], work: impl Fn(&'a T) -> Vec<R> + Sync) -> Vec<R> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let disabled = Invariant::disabled();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let more = without(disabled, || work(case));
                    found.lock().unwrap().extend(more);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// Tells a number of cases, also where tests that pass are silent.
fn count(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Fails with the first of the complaints and their number.
fn none_of(complaints: &[String]) {
    let shown: Vec<&str> = complaints.iter().take(20).map(String::as_str).collect();
    assert!(complaints.is_empty(), "{} violations, such as\n{}", complaints.len(), shown.join("\n"));
}
