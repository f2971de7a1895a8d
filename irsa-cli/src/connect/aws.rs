//! AWS: configuration, credentials and connections, as options, environment and profile name them.

use std::path::PathBuf;
use std::sync::Arc;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::{AppName, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use irsa_core::aws::{AwsBackend, CaBundle, HttpOptions, Profiles, config_loader_with, credentials_provider};
use irsa_core::name::{ClusterRef, Partition, Region};
use irsa_core::{Client, ConnectionLimit, Result};

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
    limit: ConnectionLimit,
    client: Client,
}

impl Connection {
    /// Loads the configuration of AWS; credentials are those given, else picked as the aws CLI does.
    ///
    /// # Errors
    /// `InvalidInput` where nothing names a region, for a profile that does not exist or is incomplete, and for certificates
    /// that cannot be read; `AccessDenied` for a profile without credentials.
    pub async fn open(
        environment: &Environment,
        target: &Target,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Self> {
        let limit = target.max_connections.map(ConnectionLimit::new).unwrap_or_default();
        let config = configuration(environment, target, &limit, credentials).await?;
        let aws = AwsBackend::new(&config)?.with_connection_limit(limit.clone());
        let region = aws.region().clone();
        let backend = Arc::new(aws);
        let mut client = Client::new(backend.clone(), backend).with_timeout(target.timeout);
        let identity = target.identity(Partition::of_region(region.as_str()));
        if let (Some(identity), Some(cluster)) = (identity, &target.cluster) {
            client = client.with_identity(cluster.clone(), identity);
        }
        let (environment, target) = (environment.clone(), target.clone());
        Ok(Self { environment, target, config, region, limit, client })
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
        let Self { environment, target, config, region, limit, .. } = self;
        let around = kubernetes::Surroundings { environment, target, config, limit, region: region.clone() };
        kubernetes::connect(client, &around, servers).await
    }
}

/// The configuration without credentials that were given, and the region of clusters that are given by name.
///
/// # Errors
/// `InvalidInput` for a setting that cannot be used.
pub(super) async fn located_configuration(environment: &Environment, target: &Target) -> Result<(SdkConfig, Region)> {
    let limit = target.max_connections.map(ConnectionLimit::new).unwrap_or_default();
    let config = configuration(environment, target, &limit, None).await?;
    let region = Region::new(config.region().map_or(ANY_REGION, AsRef::as_ref))?;
    Ok((config, region))
}

/// The configuration of AWS. Every call that credentials take goes where all calls go.
async fn configuration(
    environment: &Environment,
    target: &Target,
    limit: &ConnectionLimit,
    credentials: Option<SharedCredentialsProvider>,
) -> Result<SdkConfig> {
    let profiles = Profiles::read(&environment.variables, target.profile.as_deref()).await;
    let profiles = match (profiles, &credentials) {
        // Of credentials that were given, no profile is needed.
        (Err(_), Some(_)) if target.profile.is_none() => None,
        (profiles, _) => Some(profiles?),
    };
    let mut http = HttpOptions::new().with_connection_limit(limit.clone());
    if let Some(bundle) = ca_bundle(environment, profiles.as_ref())? {
        http = http.with_ca_bundle(bundle);
    }
    let mut loader = config_loader_with(&http).no_credentials();
    if let Some(retries) = retries(environment, target.profile.as_deref()).await? {
        loader = loader.retry_config(retries);
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
            let named = DefaultRegionChain::builder().profile_name(selected(profiles.as_ref())).build();
            loader = loader.region(RegionProviderChain::first_try(named).or_else(ANY_REGION));
        }
        None => {}
    }
    let config = loader.load().await;
    let credentials = match (credentials, &profiles) {
        (None, Some(profiles)) => Some(credentials_provider(&config, &environment.variables, profiles)?),
        (given, _) => given,
    };
    let mut config = config.into_builder();
    config.set_credentials_provider(credentials);
    Ok(config.build())
}

fn selected(profiles: Option<&Profiles>) -> &str {
    profiles.map_or("default", Profiles::selected)
}

/// The certificates that are trusted in place of the machine's: those of `AWS_CA_BUNDLE`, else of the profile.
fn ca_bundle(environment: &Environment, profiles: Option<&Profiles>) -> Result<Option<CaBundle>> {
    const VARIABLE: &str = "AWS_CA_BUNDLE";
    let named = match (environment.variable(VARIABLE), profiles) {
        (Some(path), _) => Some((PathBuf::from(path), VARIABLE.to_owned())),
        (None, Some(profiles)) => {
            profiles.ca_bundle().map(|path| (path, format!("ca_bundle of profile {:?}", profiles.selected())))
        }
        (None, None) => None,
    };
    named.map(|(path, setting)| CaBundle::read(&environment.path(&path), setting)).transpose()
}
