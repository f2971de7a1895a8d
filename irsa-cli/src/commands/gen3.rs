//! The drop-in for gen3's script `iam-serviceaccount` (uc-cdis/cloud-automation): its options become a request of the
//! library, as those of `irsa create` do.
//!
//! ```text
//! args/gen3.rs -> request.rs -> resolve.rs  -> the library -> output/gen3.rs
//! what was typed  request       which cluster                 what callers read
//! ```

mod environment;
mod policy;
mod request;
mod resolve;

use irsa_core::{BindingState, BindingStatus, Error, ErrorKind, Result};

pub(super) use self::environment::VPC_NAME;
use self::request::{Gen3Request, ResolvedRequest};
use super::Context;
use super::binding::report_answer;
use super::runner::{Task, or_cancelled, run as run_task};
use crate::answer::{Answer, Failure, Outcome, Purpose};
use crate::args::Gen3Args;
use crate::console::Console;

pub(super) fn run(args: &Gen3Args, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let (target, request) = Gen3Request::new(context.process, context.global.config(), args)?;
    let mode = args.dry_run.mode();
    let task = Task {
        target: &target,
        purpose: Purpose::Gen3Script,
        title: request.binding().to_string(),
        writes: !request.only_reads() && !mode.is_dry_run(),
    };
    Ok(run_task(&task, context, console, async |cancellation| {
        let (client, resolved) = or_cancelled(&cancellation, resolve::resolve(&request, context, &target)).await?;
        match resolved {
            ResolvedRequest::Bind(request) => {
                let report = client.run_until(&request, &cancellation).await.map_err(Failure::after_a_call)?;
                Ok(Answer::Report(report_answer(report, &request, mode)))
            }
            ResolvedRequest::Get(binding) => {
                let status = client.view(&binding).await.map_err(Failure::after_a_call)?;
                check_readable(&status).map_err(Failure::after_a_call)?;
                Ok(Answer::Binding(Box::new(status)))
            }
        }
    }))
}

/// Refuses to list the policies of a role that cannot be read: an empty list would mean that it has none.
fn check_readable(status: &BindingStatus) -> Result<()> {
    if !matches!(status.state, BindingState::Dangling | BindingState::Unknown) {
        return Ok(());
    }
    let (namespace, name) = (&status.namespace, &status.service_account);
    let error = Error::new(ErrorKind::NotFound, format!("cannot list the policies of {namespace}/{name}"));
    let error = status.issues.iter().fold(error, |error, issue| error.with_cause(issue.message.clone()));
    Err(error.with_hint("recreate the role with -c, or remove the annotation"))
}
