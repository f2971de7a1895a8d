//! A systematic scheduler: several writers against one sandbox, one call at a time, in every order that can matter.
//!
//! Orders that differ only in calls that do not touch each other are the same order: sleep sets leave all but one of them
//! out (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996, chapter 5). A writer that
//! waits for a short time goes on at once, and its next call then waits like any other. A long wait is a turn of its own: it
//! may end before or after any call of another writer, and time passes for all writers when it does.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use irsa_core::sandbox::{Call, SandboxState};
use irsa_core::{Report, Result, Sandbox};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{block_on, sandbox};

/// A writer at work.
pub(super) type Writer = Pin<Box<dyn Future<Output = Result<Report>>>>;

/// The method of a turn in which a long wait ends.
const WAIT: &str = "wait";

/// Waits that are longer are turns of their own: those between the tries of one call are shorter.
const LONG: Duration = Duration::from_secs(8);

/// A call that may be next: the `nth` of its writer with this method and target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Turn {
    writer: usize,
    method: &'static str,
    target: String,
    nth: usize,
}

impl Turn {
    /// What the call reads and what it writes; nothing for calls that no writer here can disturb.
    fn touches(&self) -> (Vec<String>, Vec<String>) {
        let of_role = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        let account = || vec![self.target.clone()];
        const ALL: [&str; 6] = ["role", "trust", "tags", "settings", "attached", "inline"];
        match self.method {
            "role" => (of_role(&ALL[..4]), vec![]),
            "attached_policies" => (of_role(&["role", "attached"]), vec![]),
            "inline_policy_names" | "inline_policy" => (of_role(&["role", "inline"]), vec![]),
            "create_role" | "delete_role" => (vec![], of_role(&ALL)),
            "update_trust_policy" => (of_role(&["role"]), of_role(&["trust"])),
            "tag_role" | "untag_role" => (of_role(&["role"]), of_role(&["tags"])),
            "attach_policy" | "detach_policy" => (of_role(&["role"]), of_role(&["attached"])),
            "put_inline_policy" | "delete_inline_policy" => (of_role(&["role"]), of_role(&["inline"])),
            "service_account" | "dry_run_service_account" => (account(), vec![]),
            "apply_service_account" | "remove_annotations" | "delete_service_account" => (vec![], account()),
            _ => (vec![], vec![]),
        }
    }

    fn is_free(&self) -> bool {
        let (reads, writes) = self.touches();
        reads.is_empty() && writes.is_empty() && !self.is_wait()
    }

    /// Whether it is a long wait that ends: others may be too late then.
    fn is_wait(&self) -> bool {
        self.method == WAIT
    }

    /// Whether the order of the two makes no difference.
    fn commutes_with(&self, other: &Self) -> bool {
        if self.is_wait() || other.is_wait() {
            return false;
        }
        let ((reads, writes), (their_reads, their_writes)) = (self.touches(), other.touches());
        let meet = |some: &[String], more: &[String]| some.iter().any(|part| more.contains(part));
        !meet(&writes, &their_reads) && !meet(&writes, &their_writes) && !meet(&reads, &their_writes)
    }
}

/// A choice between turns, on the way to the end.
struct Choice {
    chosen: Turn,
    left: Vec<Turn>,
    tried: Vec<Turn>,
    /// Turns that need not be tried here: what comes of them was seen before.
    asleep: Vec<Turn>,
}

/// The calls that wait, and whose turn it is.
#[derive(Default)]
struct Gate {
    writer: usize,
    waiting: Vec<(Turn, oneshot::Sender<()>)>,
    seen: Vec<(usize, &'static str, String)>,
}

impl Gate {
    fn arrive(&mut self, call: &Call) -> oneshot::Receiver<()> {
        let what = (self.writer, call.method, call.target.clone());
        let nth = self.seen.iter().filter(|known| **known == what).count();
        self.seen.push(what);
        let (open, opened) = oneshot::channel();
        let turn = Turn { writer: self.writer, method: call.method, target: call.target.clone(), nth };
        self.waiting.push((turn, open));
        opened
    }

    fn waits(&self, writer: usize) -> bool {
        self.waiting.iter().any(|(turn, _)| turn.writer == writer)
    }

    /// Whether a call of a writer waits.
    fn calls(&self, writer: usize) -> bool {
        self.waiting.iter().any(|(turn, _)| turn.writer == writer && !turn.is_wait())
    }

    /// A writer waits for time to pass.
    fn wait(&mut self, writer: usize) {
        let what = (writer, WAIT, String::new());
        let nth = self.seen.iter().filter(|known| **known == what).count();
        self.seen.push(what);
        self.waiting.push((Turn { writer, method: WAIT, target: String::new(), nth }, oneshot::channel().0));
    }

    /// Calls that were given up do not wait any more.
    fn forget_given_up(&mut self) {
        self.waiting.retain(|(turn, open)| turn.is_wait() || !open.is_closed());
    }
}

/// What an exploration has seen.
#[derive(Debug, Default)]
pub(super) struct Explored {
    /// Orders that ran to their end.
    pub(super) orders: usize,
    /// Calls in all of them.
    pub(super) calls: usize,
    /// The most writes of a trust policy in one of them.
    pub(super) most_trust_writes: usize,
}

/// Runs writers from a state in every order, and shows each end to `check`. After each call `disturb` may act.
pub(super) fn explore(
    state: &SandboxState,
    writers: impl Fn(&Sandbox) -> Vec<Writer>,
    disturb: impl Fn(&Sandbox),
    check: impl FnMut(&Sandbox, &[Result<Report>]),
) -> Explored {
    explore_some(state, writers, disturb, check, usize::MAX)
}

/// The same of the orders in which the turn goes from a writer that could go on to another only so often.
pub(super) fn explore_some(
    state: &SandboxState,
    writers: impl Fn(&Sandbox) -> Vec<Writer>,
    disturb: impl Fn(&Sandbox),
    mut check: impl FnMut(&Sandbox, &[Result<Report>]),
    most_switches: usize,
) -> Explored {
    let mut explored = Explored::default();
    let mut path: Vec<Choice> = Vec::new();
    loop {
        // Waits between tries are jittered, and each path has to be the same every time.
        fastrand::seed(0);
        let sandbox = sandbox(state);
        let ended = block_on(run(&sandbox, writers(&sandbox), &disturb, (&mut path, most_switches)));
        if let Some(results) = ended {
            explored.orders += 1;
            let calls = sandbox.calls();
            explored.calls += calls.len();
            let trust = calls.iter().filter(|call| call.method == "update_trust_policy").count();
            explored.most_trust_writes = explored.most_trust_writes.max(trust);
            sandbox.faults().clear();
            check(&sandbox, &results);
        }
        // On to the last choice that leaves another one.
        loop {
            let Some(choice) = path.last_mut() else { return explored };
            if choice.left.is_empty() {
                path.pop();
                continue;
            }
            let next = choice.left.remove(0);
            let last = std::mem::replace(&mut choice.chosen, next);
            choice.tried.push(last);
            break;
        }
    }
}

/// Runs the writers along a path and on; nothing where what would come was seen before.
async fn run(
    sandbox: &Sandbox,
    mut writers: Vec<Writer>,
    disturb: &impl Fn(&Sandbox),
    (path, most_switches): (&mut Vec<Choice>, usize),
) -> Option<Vec<Result<Report>>> {
    let gate: Arc<Mutex<Gate>> = Arc::default();
    let arrivals = Arc::clone(&gate);
    sandbox.faults().gate(move |call| {
        let opened = arrivals.lock().unwrap().arrive(call);
        Box::pin(async move { drop(opened.await) })
    });
    let mut results: Vec<Option<Result<Report>>> = writers.iter().map(|_| None).collect();
    for index in 0..writers.len() {
        results[index] = advance(&gate, index, &mut writers[index]).await;
    }
    let mut depth = 0;
    let (mut last, mut switches) = (None, 0);
    loop {
        let enabled: Vec<Turn> = gate.lock().unwrap().waiting.iter().map(|(turn, _)| turn.clone()).collect();
        if enabled.is_empty() {
            return results.into_iter().collect();
        }
        // A call that touches nothing of the others goes first: nothing depends on when.
        let chosen = match enabled.iter().find(|turn| turn.is_free()) {
            Some(free) => free.clone(),
            None => {
                let goes_on = last.filter(|last| enabled.iter().any(|turn| turn.writer == *last));
                let mut turns = enabled;
                if let Some(last) = goes_on {
                    if switches >= most_switches {
                        turns.retain(|turn| turn.writer == last);
                    }
                    // Where switches are counted, those who go on are tried first.
                    turns.sort_by_key(|turn| most_switches < usize::MAX && turn.writer != last);
                }
                if depth == path.len() {
                    path.push(choose(path.last(), turns)?);
                }
                depth += 1;
                let chosen = path[depth - 1].chosen.clone();
                switches += usize::from(goes_on.is_some_and(|last| last != chosen.writer));
                last = Some(chosen.writer);
                chosen
            }
        };
        let open = {
            let mut gate = gate.lock().unwrap();
            let index =
                gate.waiting.iter().position(|(turn, _)| *turn == chosen).expect("the same path, the same calls");
            gate.waiting.swap_remove(index).1
        };
        if !chosen.is_wait() {
            open.send(()).unwrap();
        }
        let begun = Instant::now();
        results[chosen.writer] = advance(&gate, chosen.writer, &mut writers[chosen.writer]).await;
        if begun.elapsed() > Duration::ZERO {
            // Time has passed for the others too: some may be too late for the calls that they wait with.
            for index in (0..writers.len()).filter(|index| *index != chosen.writer) {
                if results[index].is_none() {
                    results[index] = look(&gate, index, &mut writers[index]).await;
                }
            }
        }
        disturb(sandbox);
        assert!(depth < 200, "writers keep each other busy without end");
    }
}

/// The first turn to try after a choice; nothing where all are asleep.
fn choose(last: Option<&Choice>, enabled: Vec<Turn>) -> Option<Choice> {
    let asleep: Vec<Turn> = last.map_or_else(Vec::new, |last| {
        let others = last.asleep.iter().chain(&last.tried);
        others.filter(|turn| turn.commutes_with(&last.chosen)).cloned().collect()
    });
    let mut left: Vec<Turn> = enabled.into_iter().filter(|turn| !asleep.contains(turn)).collect();
    if left.is_empty() {
        return None;
    }
    let chosen = left.remove(0);
    Some(Choice { chosen, left, tried: Vec::new(), asleep })
}

/// Lets a writer go on until one of its calls waits, it waits for long, or it ends. Time passes meanwhile.
async fn advance(gate: &Mutex<Gate>, index: usize, writer: &mut Writer) -> Option<Result<Report>> {
    let step = std::future::poll_fn(|context| {
        gate.lock().unwrap().writer = index;
        match writer.as_mut().poll(context) {
            std::task::Poll::Ready(result) => std::task::Poll::Ready(Some(result)),
            std::task::Poll::Pending if gate.lock().unwrap().waits(index) => std::task::Poll::Ready(None),
            std::task::Poll::Pending => std::task::Poll::Pending,
        }
    });
    let result = tokio::time::timeout(LONG, step).await;
    let mut gate = gate.lock().unwrap();
    gate.forget_given_up();
    match result {
        Ok(result) => result,
        Err(_) => {
            gate.wait(index);
            None
        }
    }
}

/// Lets a writer see that time has passed.
async fn look(gate: &Mutex<Gate>, index: usize, writer: &mut Writer) -> Option<Result<Report>> {
    gate.lock().unwrap().writer = index;
    let result = match futures::poll!(writer.as_mut()) {
        std::task::Poll::Ready(result) => Some(result),
        std::task::Poll::Pending => None,
    };
    let waits = {
        let mut gate = gate.lock().unwrap();
        gate.forget_given_up();
        // Its long wait is over as well.
        if result.is_some() || gate.calls(index) {
            gate.waiting.retain(|(turn, _)| turn.writer != index || !turn.is_wait());
        }
        gate.waits(index)
    };
    match result {
        None if !waits => advance(gate, index, writer).await,
        result => result,
    }
}
