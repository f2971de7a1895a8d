//! AWS: the SDK's own chain of credentials, with what the options say on top.

use std::sync::Arc;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use irsa_core::aws::{AwsBackend, config_loader};
use irsa_core::name::{ClusterRef, Partition, Region};
use irsa_core::{Client, Result};

use super::Target;
use super::kubernetes;
use super::retries::retries;
use crate::environment::Environment;

/// Where IAM is called without a cluster that EKS knows, if nothing names a region: IAM is the same in all of them.
const ANY_REGION: &str = "us-east-1";

/// AWS as a target says, and the way to API servers from there; for one request or for many.
#[derive(Clone, Debug)]
pub struct Connection {
    environment: Environment,
    target: Target,
    config: SdkConfig,
    region: Region,
    client: Client,
}

impl Connection {
    /// Loads the configuration of AWS; credentials are those given, else picked by the SDK's own chain.
    ///
    /// # Errors
    /// `InvalidInput` where nothing names a region.
    pub async fn open(
        environment: &Environment,
        target: &Target,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Self> {
        let config = configuration(environment, target, credentials).await?;
        let aws = AwsBackend::new(&config)?;
        let region = aws.region().clone();
        let backend = Arc::new(aws);
        let mut client = Client::new(backend.clone(), backend).with_timeout(target.timeout);
        let identity = target.identity(Partition::of_region(region.as_str()));
        if let (Some(identity), Some(cluster)) = (identity, &target.cluster) {
            client = client.with_identity(cluster.clone(), identity);
        }
        let (environment, target) = (environment.clone(), target.clone());
        Ok(Self { environment, target, config, region, client })
    }

    /// The region whose clusters are found by name.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// A client that reaches AWS only.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The client with the API servers of these clusters added.
    ///
    /// # Errors
    /// `InvalidInput` where no way leads to one (no such kubeconfig); other kinds where something was asked and failed.
    pub async fn reaching(&self, client: Client, servers: &[ClusterRef]) -> Result<Client> {
        if servers.is_empty() {
            return Ok(client);
        }
        let Self { environment, target, config, region, .. } = self;
        let around = kubernetes::Surroundings { environment, target, config, region: region.clone() };
        kubernetes::connect(client, &around, servers).await
    }
}

/// The credentials of a profile, whatever the environment holds.
async fn of_profile(profile: &str, target: &Target) -> ProfileFileCredentialsProvider {
    let region = match &target.region {
        Some(region) => Some(aws_config::Region::new(region.to_string())),
        None => DefaultRegionChain::builder().profile_name(profile).build().region().await,
    };
    let around = ProviderConfig::without_region().with_region(region);
    ProfileFileCredentialsProvider::builder().configure(&around).profile_name(profile).build()
}

async fn configuration(
    environment: &Environment,
    target: &Target,
    credentials: Option<SharedCredentialsProvider>,
) -> Result<SdkConfig> {
    let mut loader = config_loader();
    if let Some(retries) = retries(environment, target.profile.as_deref()).await? {
        loader = loader.retry_config(retries);
    }
    match (credentials, &target.profile) {
        (Some(credentials), _) => loader = loader.credentials_provider(credentials),
        // The SDK's own chain asks the environment before a profile that was named; the aws CLI and boto3 do not.
        (None, Some(profile)) => loader = loader.credentials_provider(of_profile(profile, target).await),
        (None, None) => {}
    }
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
    Ok(loader.load().await)
}
