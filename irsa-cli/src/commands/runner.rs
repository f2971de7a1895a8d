//! Runs the asynchronous part of a command to its end or until the user interrupts it.

use std::pin::pin;

use irsa_core::connect::Target;
use irsa_core::name::ClusterRef;
use irsa_core::{CancellationToken, Client, Error, ErrorKind, Result};

use super::Context;
use crate::answer::{Answer, Failure, Outcome, Purpose};
use crate::console::Console;
use crate::logging;

/// The asynchronous part of a command.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) target: &'a Target,
    pub(super) purpose: Purpose,
    /// What the spinner shows.
    pub(super) title: String,
    /// Whether an interruption may leave something half done.
    pub(super) writes: bool,
}

/// Runs a task that works with a client for these clusters.
pub(super) fn run_with_client(
    task: &Task<'_>,
    servers: &[ClusterRef],
    context: &Context<'_>,
    console: &dyn Console,
    work: impl AsyncFnOnce(Client, CancellationToken) -> Result<Answer>,
) -> Outcome {
    run(task, context, console, async |cancellation: CancellationToken| {
        let connected = context.connect.connect(&context.process.environment, task.target, servers);
        let client = or_cancelled(&cancellation, async { connected.await.map_err(Failure::before_any_call) }).await?;
        work(client, cancellation).await.map_err(Failure::after_a_call)
    })
}

/// Runs a task. The first interruption cancels one that writes, so that the step under way is finished; the second one, or
/// the first one of a task that only reads, ends it at once.
pub(super) fn run(
    task: &Task<'_>,
    context: &Context<'_>,
    console: &dyn Console,
    work: impl AsyncFnOnce(CancellationToken) -> Result<Answer, Failure>,
) -> Outcome {
    let cancellation = CancellationToken::new();
    let result = block_on(context, async {
        let mut work = pin!(work(cancellation.clone()));
        let mut spinner = console.spinner(task.title.clone());
        loop {
            tokio::select! {
                result = &mut work => break result,
                () = context.connect.interrupted() => {
                    if !task.writes || cancellation.is_cancelled() {
                        break Err(Failure::Interrupted { report: None, writes: task.writes });
                    }
                    cancellation.cancel();
                }
                never = &mut spinner => match never {},
            }
        }
    });
    let mut outcome = Outcome::new(task.purpose, result.unwrap_or_else(|error| Err(Failure::Failed(error))));
    outcome.interrupted = cancellation.is_cancelled();
    // These hold the warnings about the target themselves.
    let holds_warnings =
        matches!(&outcome.result, Ok(Answer::Report(_) | Answer::TrustCheck(_) | Answer::WhoCan(_) | Answer::Audit(_)))
            || (task.purpose == Purpose::Gen3Script && outcome.result.is_ok());
    if !holds_warnings {
        outcome.warnings = task.target.warnings();
    }
    outcome
}

/// Waits for a part of a task that has not written yet.
pub(super) async fn or_cancelled<T>(
    cancellation: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = cancellation.cancelled() => {
            Err(Failure::after_a_call(Error::new(ErrorKind::Interrupted, "interrupted")))
        }
    }
}

/// Runs a future on a runtime of its own, and logs meanwhile.
pub(super) fn block_on<T>(context: &Context<'_>, work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "cannot start the asynchronous runtime").with_source(error)
    })?;
    let process = context.process;
    let _log = logging::start(context.global.verbose, process.takes_colour(process.stderr_is_terminal));
    let result = runtime.block_on(work);
    // A credential plug-in that still waits for its user must not keep the process alive.
    runtime.shutdown_background();
    Ok(result)
}
