//! `irsa create`, `update`, `delete` and `get`: one binding.

use irsa_core::connect::{Need, Target};
use irsa_core::{Request, Result, Verb};

use super::Context;
use super::runner::{Task, run_with_client};
use crate::answer::{Answer, Outcome, Purpose, ReportAnswer, ReportStyle};
use crate::args::{CreateArgs, DeleteArgs, GetArgs, Mode, UpdateArgs};
use crate::console::Console;
use crate::requests;

pub(super) fn create(args: &CreateArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let target = context.target(Need::Cluster)?;
    let request = requests::create(context.process, args, target.cluster()?)?;
    apply(&request, args.dry_run.mode(), &target, context, console)
}

pub(super) fn update(args: &UpdateArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let target = context.target(Need::Cluster)?;
    let request = requests::update(context.process, args, target.cluster()?)?;
    apply(&request, args.dry_run.mode(), &target, context, console)
}

pub(super) fn delete(args: &DeleteArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let target = context.target(Need::Cluster)?;
    let request = requests::delete(args, target.cluster()?)?;
    apply(&request, args.dry_run.mode(), &target, context, console)
}

fn apply(
    request: &Request,
    mode: Mode,
    target: &Target,
    context: &Context<'_>,
    console: &dyn Console,
) -> Result<Outcome> {
    let servers = if request.binding.role_only { Vec::new() } else { request.clusters() };
    let task = Task {
        target,
        purpose: Purpose::Action,
        title: format!("{} on {}", request.binding, target.cluster()?),
        writes: !mode.is_dry_run(),
    };
    Ok(run_with_client(&task, &servers, context, console, async |client, cancellation| {
        let report = client.run_until(request, &cancellation).await?;
        Ok(Answer::Report(report_answer(report, request, mode)))
    }))
}

/// Answer of a request for one binding.
pub(super) fn report_answer(report: irsa_core::Report, request: &Request, mode: Mode) -> ReportAnswer {
    let style = match request.verb {
        Verb::Create => ReportStyle::Declare,
        Verb::Delete { .. } => ReportStyle::Delete,
        _ => ReportStyle::Change,
    };
    let is_written = style != ReportStyle::Delete && !mode.is_dry_run();
    let written = is_written.then(|| Box::new(request.binding.clone()));
    ReportAnswer { report, style, mode, written }
}

pub(super) fn get(args: &GetArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let target = context.target(Need::Cluster)?;
    let cluster = target.cluster()?;
    let task = |name: String| Task {
        target: &target,
        purpose: Purpose::Action,
        title: format!("{name} on {cluster}"),
        writes: false,
    };
    if args.role_only {
        let binding = requests::role_only(args, cluster)?;
        return Ok(run_with_client(&task(binding.to_string()), &[], context, console, async |client, _| {
            Ok(Answer::Binding(Box::new(client.view(&binding).await?)))
        }));
    }
    let (namespace, name) = args.account.names()?;
    let role_name = requests::role_name(args.role_name.as_deref())?;
    let task = task(format!("{namespace}/{name}"));
    Ok(run_with_client(&task, std::slice::from_ref(cluster), context, console, async |client, _| {
        let binding = client.get(cluster, &namespace, &name, role_name.as_ref()).await?;
        Ok(Answer::Binding(Box::new(binding)))
    }))
}
