//! The AWS configuration: region, credentials, certificates and retries, as target, environment and profile choose them.

use std::path::PathBuf;

use super::environment::Environment;
use super::retries::retries;
use super::target::Target;
use crate::aws::{CaBundle, HttpOptions, Profiles, config_loader_with, credentials_provider};
use crate::connection_limit::ConnectionLimit;
use crate::error::Result;
use crate::name::Region;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

/// Where IAM is called without a cluster that EKS knows, if nothing names a region: IAM is the same in all of them.
const ANY_REGION: &str = "us-east-1";

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
pub(super) async fn configuration(
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
    let mut http = HttpOptions::new().with_connection_limit(limit.clone()).with_proxies(environment.proxies());
    if let Some(bundle) = ca_bundle(environment, profiles.as_ref())? {
        http = http.with_ca_bundle(bundle);
    }
    let client = http.client();
    let mut loader = config_loader_with(&http).http_client(client.clone()).no_credentials();
    if let Some(retries) = retries(environment, profiles.as_ref())? {
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
            // The SDK's own chain would ask the metadata service with a client of its own.
            let around = ProviderConfig::default().with_http_client(client);
            let profile = ProfileFileRegionProvider::builder().configure(&around);
            let profile = profile.profile_name(selected(profiles.as_ref())).build();
            let instance = ImdsRegionProvider::builder().configure(&around).build();
            let named = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new());
            loader = loader.region(named.or_else(profile).or_else(instance).or_else(ANY_REGION));
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
