//! The real thing: an EKS cluster of yours, reached through EKS itself, with credentials of the SDK's default chain.
//!
//! `AWS_REGION=us-east-1 cargo run -p irsa-examples --example cluster -- demo default/my-serviceaccount`
//! prints the plan; with a third argument `--apply` it is applied.

use std::sync::Arc;

use irsa_core::KubeCluster;
use irsa_core::aws::{AwsBackend, EksTokenSource, config_loader};
use irsa_core::name::{ClusterRef, Subject};
use irsa_core::{Client, Error, ErrorKind, IrsaBinding, Request, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cluster, account, rest @ ..] = &arguments[..] else {
        return Err(Error::new(ErrorKind::InvalidInput, "usage: cluster CLUSTER NAMESPACE/NAME [--apply]"));
    };
    let cluster: ClusterRef = cluster.parse()?;
    let subject: Subject = account.parse()?;

    // The library picks no credentials by itself: configuration is loaded here, once.
    let config = config_loader().load().await;
    let aws = Arc::new(AwsBackend::new(&config)?);
    let name = cluster.name().cloned().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "name the cluster"))?;
    let tokens = EksTokenSource::new(&config, name, aws.region().clone())?;

    let client = Client::new(aws.clone(), aws);
    let server = KubeCluster::from_eks(client.identity_backend(), cluster.clone(), Arc::new(tokens));
    let client = client.with_cluster(cluster.clone(), Arc::new(server));

    let binding = IrsaBinding::builder(cluster.to_string(), subject.namespace.as_str(), subject.name.as_str())
        .with_policy("AmazonS3ReadOnlyAccess")
        .build()?;
    let plan = client.plan(&Request::create(binding)).await?;
    let report =
        if rest.iter().any(|argument| argument == "--apply") { client.apply(&plan).await? } else { plan.report() };
    show(&report);
    Ok(())
}

#[allow(clippy::print_stdout)] // An example shows what it does.
fn show(report: &irsa_core::Report) {
    for step in &report.steps {
        println!("{:?} {} {}", step.outcome, step.action, step.target);
    }
}
