//! A back end of one's own: a self-hosted cluster whose issuer is known from elsewhere, with no EKS to ask.
//!
//! `cargo run -p irsa-examples --example custom_backend`

use std::sync::Arc;

use irsa_core::async_trait::async_trait;
use irsa_core::backend::{CallerIdentity, ClusterDescription, IdentityBackend};
use irsa_core::name::ClusterRef;
use irsa_core::{Client, Error, ErrorKind, IrsaBinding, Request, Result, Sandbox};

/// Knows its one cluster by heart.
#[derive(Debug)]
struct SelfHosted {
    description: ClusterDescription,
}

#[async_trait]
impl IdentityBackend for SelfHosted {
    async fn cluster(&self, cluster: &ClusterRef) -> Result<Option<ClusterDescription>> {
        Ok((cluster.name() == Some(self.description.arn.name())).then(|| self.description.clone()))
    }

    async fn caller_identity(&self) -> Result<CallerIdentity> {
        let arn = &self.description.arn;
        let (partition, account) = (arn.partition().clone(), arn.account().clone());
        Ok(CallerIdentity { partition, account, arn: "arn:aws:iam::123456789012:user/admin".to_owned() })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // IAM and the API server are the sandbox's here; yours are `AwsBackend` and `KubeCluster`.
    let sandbox = Arc::new(Sandbox::new());
    let known = sandbox.default_cluster();
    let description = IdentityBackend::cluster(sandbox.as_ref(), &"sandbox".parse()?).await?;
    let description = description.ok_or_else(|| Error::new(ErrorKind::NotFound, "the sandbox has no cluster"))?;

    let client = Client::new(Arc::new(SelfHosted { description }), sandbox.clone())
        .with_cluster("sandbox".parse()?, Arc::new(known));
    let binding = IrsaBinding::builder("sandbox", "default", "my-serviceaccount")
        .with_policy("AmazonS3ReadOnlyAccess")
        .build()?;
    let report = client.run(&Request::create(binding)).await?;
    assert!(report.changed && report.role_arn.is_some());
    Ok(())
}
