//! `irsa list` and `irsa export`: the bindings of a cluster.

use irsa_core::Result;
use irsa_core::connect::{Need, Target};
use irsa_core::name::Namespace;

use super::Context;
use super::runner::{Task, run_with_client};
use crate::answer::{Answer, Outcome, Purpose};
use crate::args::{ExportArgs, ListArgs};
use crate::console::Console;

pub(super) fn list(args: &ListArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let target = context.target(Need::Cluster)?;
    let namespace = args.namespace.as_deref().map(Namespace::new).transpose()?;
    let (task, cluster) = (task(&target)?, target.cluster()?);
    let servers = if args.role_only { &[][..] } else { std::slice::from_ref(cluster) };
    Ok(run_with_client(&task, servers, context, console, async |client, _| {
        let bindings = match args.role_only {
            true => client.list_roles(cluster, namespace.as_ref()).await?,
            false => client.list(cluster, namespace.as_ref()).await?,
        };
        Ok(Answer::Bindings { bindings, cluster: cluster.clone() })
    }))
}

pub(super) fn export(args: &ExportArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    let target = context.target(Need::Cluster)?;
    let namespace = args.namespace.as_deref().map(Namespace::new).transpose()?;
    let (task, cluster) = (task(&target)?, target.cluster()?);
    Ok(run_with_client(&task, std::slice::from_ref(cluster), context, console, async |client, _| {
        Ok(Answer::Export(client.export(cluster, namespace.as_ref()).await?))
    }))
}

fn task(target: &Target) -> Result<Task<'_>> {
    let title = format!("bindings of {}", target.cluster()?);
    Ok(Task { target, purpose: Purpose::Action, title, writes: false })
}
