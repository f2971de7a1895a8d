//! `irsa provider`: the IAM OIDC provider of a cluster.

use irsa_core::Result;
use irsa_core::connect::Need;
use irsa_core::name::Audience;

use super::Context;
use super::runner::{Task, run_with_client};
use crate::answer::{Answer, Outcome, Purpose, ReportAnswer, ReportStyle};
use crate::args::{Mode, ProviderCommand};
use crate::console::Console;

pub(super) fn run(command: &ProviderCommand, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let target = context.target(Need::Cluster)?;
    let cluster = target.cluster()?;
    let task = |mode: Option<Mode>| Task {
        target: &target,
        purpose: Purpose::Action,
        title: format!("OIDC provider of {cluster}"),
        writes: mode == Some(Mode::Apply),
    };
    Ok(match command {
        ProviderCommand::Create { audiences, dry_run } => {
            let audiences = audiences.iter().map(Audience::new).collect::<std::result::Result<Vec<_>, _>>()?;
            let mode = dry_run.mode();
            run_with_client(&task(Some(mode)), &[], context, console, async |client, _| {
                let report = client.create_provider(cluster, &audiences, mode.dry_run()).await?;
                Ok(Answer::Report(ReportAnswer { report, style: ReportStyle::Change, mode, written: None }))
            })
        }
        ProviderCommand::Show => run_with_client(&task(None), &[], context, console, async |client, _| {
            Ok(Answer::Provider(client.provider(cluster).await?))
        }),
        ProviderCommand::Delete { force, dry_run } => {
            let mode = dry_run.mode();
            run_with_client(&task(Some(mode)), &[], context, console, async |client, _| {
                let report = client.delete_provider(cluster, (*force).into(), mode.dry_run()).await?;
                Ok(Answer::Report(ReportAnswer { report, style: ReportStyle::Delete, mode, written: None }))
            })
        }
    })
}
