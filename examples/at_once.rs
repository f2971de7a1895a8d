//! A service that applies many bindings at once over one client, which opens few connections for all of them.
//!
//! `AWS_REGION=us-east-1 cargo run -p irsa-examples --example at_once -- demo NAMESPACE 150`

use std::num::NonZeroUsize;
use std::sync::Arc;

use irsa_core::aws::{AwsBackend, EksTokenSource, HttpOptions, config_loader_with};
use irsa_core::name::ClusterRef;
use irsa_core::{Client, ConnectionLimit, Error, ErrorKind, IrsaBinding, KubeCluster, Request, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::new(ErrorKind::InvalidInput, "usage: at_once CLUSTER NAMESPACE COUNT");
    let [cluster, namespace, count] = &arguments[..] else { return Err(usage()) };
    let count: usize = count.parse().map_err(|_| usage())?;
    let cluster: ClusterRef = cluster.parse()?;
    let name = cluster.name().cloned().ok_or_else(usage)?;

    // One bound for AWS and for the API server.
    let limit = ConnectionLimit::new(NonZeroUsize::new(16).ok_or_else(usage)?);
    let config = config_loader_with(&HttpOptions::new().with_connection_limit(limit.clone())).load().await;
    let aws = Arc::new(AwsBackend::new(&config)?.with_connection_limit(limit.clone()));
    let tokens = EksTokenSource::new(&config, name, aws.region().clone())?;
    let client = Client::new(aws.clone(), aws);
    let server = KubeCluster::from_eks(client.identity_backend(), cluster.clone(), Arc::new(tokens));
    let client = client.with_cluster(cluster.clone(), Arc::new(server.with_connection_limit(limit)));

    let mut runs = Vec::new();
    for number in 0..count {
        let binding = IrsaBinding::builder(cluster.to_string(), namespace.as_str(), format!("app-{number}")).build()?;
        let client = client.clone();
        runs.push(tokio::spawn(async move { client.run(&Request::create(binding)).await }));
    }
    let mut changed = 0;
    for run in runs {
        let report =
            run.await.map_err(|error| Error::new(ErrorKind::Unexpected, "a task ended").with_source(error))??;
        changed += usize::from(report.changed);
    }
    show(changed);
    Ok(())
}

#[allow(clippy::print_stdout)] // An example shows what it does.
fn show(changed: usize) {
    println!("{changed} changed");
}
