//! A binding on an EKS cluster: credentials and API server are found as the program `irsa` finds them.
//!
//! `AWS_REGION=us-east-1 cargo run -p irsa-examples --example cluster -- demo default/my-serviceaccount`
//! prints the plan; with a third argument `--apply` it is applied.

use irsa_core::connect::{Config, Environment};
use irsa_core::name::Subject;
use irsa_core::{Error, ErrorKind, IrsaBinding, Request, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cluster, account, rest @ ..] = &arguments[..] else {
        return Err(Error::new(ErrorKind::InvalidInput, "usage: cluster CLUSTER NAMESPACE/NAME [--apply]"));
    };
    let subject: Subject = account.parse()?;

    let environment = Environment::new(std::env::vars_os());
    let client = Config::new().with_cluster(cluster).connect(&environment).await?;

    let binding = IrsaBinding::builder(cluster, subject.namespace.as_str(), subject.name.as_str())
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
