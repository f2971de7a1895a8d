//! AWS: the SDK's own chain of credentials, with what the options say on top.

use std::sync::Arc;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{AppName, SdkConfig};
use irsa_core::aws::{AwsBackend, config_loader};
use irsa_core::name::{ClusterRef, Partition};
use irsa_core::{Client, Identity, Result};

use super::Target;
use super::kubernetes;
use crate::environment::Environment;

/// Where IAM is called without a cluster that EKS knows, if nothing names a region: IAM is the same in all of them.
const ANY_REGION: &str = "us-east-1";

pub(super) async fn connect(environment: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client> {
    let config = configuration(target).await;
    let aws = AwsBackend::new(&config)?;
    let region = aws.region().clone();
    let backend = Arc::new(aws);
    let mut client = Client::new(backend.clone(), backend);
    if let (Some((issuer, account)), Some(cluster)) = (&target.given, &target.cluster) {
        let partition = Partition::of_region(region.as_str());
        let identity = Identity::given(cluster, issuer.clone(), account.clone(), partition, target.region.clone());
        client = client.with_identity(cluster.clone(), identity);
    }
    if servers.is_empty() {
        return Ok(client);
    }
    kubernetes::connect(client, &kubernetes::Surroundings { environment, target, config: &config, region }, servers)
        .await
}

async fn configuration(target: &Target) -> SdkConfig {
    let mut loader = config_loader();
    if let Ok(name) = AppName::new("irsa") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &target.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &target.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    match &target.region {
        Some(region) => loader = loader.region(aws_config::Region::new(region.to_string())),
        None if target.given.is_some() || target.cluster.is_none() => {
            loader = loader.region(RegionProviderChain::default_provider().or_else(ANY_REGION));
        }
        None => {}
    }
    loader.load().await
}
