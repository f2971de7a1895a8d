//! AWS as a back end: aws-sdk-eks, -sts and -iam behind the traits of [`backend`](crate::backend).
//!
//! The configuration is the caller's: credentials, region, endpoints, time limits and retries all come from the
//! [`SdkConfig`] or the clients passed in. Load it once per process: profiles are then read once, and credentials,
//! connections and trusted certificates are shared.
//!
//! ```no_run
//! # async fn start() -> irsa_core::Result<()> {
//! let config = irsa_core::aws::config_loader().region("us-east-1").load().await;
//! let aws = irsa_core::aws::AwsBackend::new(&config)?; // opens no connection, asks for no credentials
//! # Ok(())
//! # }
//! ```
//!
//! Retries are those of the SDK's retry mode. Its default, `standard`, makes three attempts with jittered backoff when AWS
//! throttles, fails inside (HTTP 500 to 504) or cannot be reached. A write whose first answer was lost is thus sent twice,
//! and a create may then fail with `AlreadyExists`. Nothing else is retried here.

mod answer;
mod bound;
mod call;
mod checked;
mod credentials;
mod eks_token;
mod error;
#[cfg(test)]
mod fake;
mod http;
mod iam;
mod identity;
mod policies;
mod profiles;
mod retries;
mod roles;
mod tls;

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

// The crates of the signatures.
#[doc(no_inline)]
pub use {aws_config, aws_credential_types, aws_sdk_eks, aws_sdk_iam, aws_sdk_sts};

use self::bound::{BoundedAnswers, MAX_BYTES};
pub use self::checked::check_endpoint_url;
use self::checked::{CheckedCredentials, endpoint_url};
pub use self::credentials::credentials_provider;
pub use self::eks_token::EksTokenSource;
pub use self::http::HttpOptions;
pub use self::profiles::Profiles;
use self::retries::LoggedRetries;
pub use self::tls::CaBundle;
use crate::connection_limit::ConnectionLimit;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Partition, Region};

/// EKS, STS and IAM through the AWS SDK.
///
/// Cloning is cheap, and clones share their connections.
#[derive(Clone)]
pub struct AwsBackend {
    iam: aws_sdk_iam::Client,
    eks: aws_sdk_eks::Client,
    sts: aws_sdk_sts::Client,
    region: Region,
    partition: Partition,
    limit: ConnectionLimit,
}

impl AwsBackend {
    /// A back end with clients made from one configuration, sharing its HTTP client and its cache of credentials.
    ///
    /// # Errors
    /// `InvalidInput` when the configuration names no region, or none that can be one, or an endpoint URL that is not one.
    pub fn new(config: &SdkConfig) -> Result<Self> {
        Self::bounded(config, MAX_BYTES)
    }

    /// The same, where no answer may have more than so many bytes.
    fn bounded(config: &SdkConfig, most: usize) -> Result<Self> {
        let Some(region) = config.region() else {
            return Err(Error::new(ErrorKind::InvalidInput, "no AWS region is configured")
                .with_context("field", "region")
                .with_hint("name one, such as us-east-1, as an option, in the environment or in the profile"));
        };
        let region = Region::new(region.as_ref())?;
        let mut shared = completed(config).into_builder();
        shared.set_credentials_provider(config.credentials_provider().map(CheckedCredentials::shared));
        let shared = shared.build();
        let mut iam =
            aws_sdk_iam::config::Builder::from(&shared).interceptor(BoundedAnswers(most)).interceptor(LoggedRetries);
        iam.set_endpoint_url(endpoint_url(&shared, "IAM")?);
        let mut eks =
            aws_sdk_eks::config::Builder::from(&shared).interceptor(BoundedAnswers(most)).interceptor(LoggedRetries);
        eks.set_endpoint_url(endpoint_url(&shared, "EKS")?);
        let mut sts =
            aws_sdk_sts::config::Builder::from(&shared).interceptor(BoundedAnswers(most)).interceptor(LoggedRetries);
        sts.set_endpoint_url(endpoint_url(&shared, "STS")?);
        Ok(Self::from_clients(
            aws_sdk_iam::Client::from_conf(iam.build()),
            aws_sdk_eks::Client::from_conf(eks.build()),
            aws_sdk_sts::Client::from_conf(sts.build()),
            region,
        ))
    }

    /// A back end over clients that exist. `region` is theirs: it gives the partition, and clusters named without an ARN
    /// are looked for there.
    pub fn from_clients(
        iam: aws_sdk_iam::Client,
        eks: aws_sdk_eks::Client,
        sts: aws_sdk_sts::Client,
        region: Region,
    ) -> Self {
        let partition = Partition::of_region(region.as_str());
        Self { iam, eks, sts, region, partition, limit: ConnectionLimit::default() }
    }

    /// Bounds how many requests are under way at once, and with them the open connections. By default 20.
    ///
    /// Give the same limit to the [`HttpOptions`] of the configuration, and to the API servers, to bound all together.
    #[must_use]
    pub fn with_connection_limit(mut self, limit: ConnectionLimit) -> Self {
        self.limit = limit;
        self
    }

    /// The region whose clusters are found by name.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The partition of the region.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }
}

impl fmt::Debug for AwsBackend {
    // The clients would print their whole configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsBackend").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A configuration that clients can be made of.
fn completed(config: &SdkConfig) -> SdkConfig {
    let mut shared = config.to_builder();
    // A client panics without a behaviour version, and makes an HTTP client of its own when it is given none.
    if config.behavior_version().is_none() {
        shared.set_behavior_version(Some(BehaviorVersion::latest()));
    }
    if config.http_client().is_none() {
        shared.set_http_client(Some(HttpOptions::new().client()));
    }
    shared.build()
}

/// The longest that one attempt of a call may take: the SDK has no bound of its own for a server that never answers.
const ATTEMPT: Duration = Duration::from_secs(30);

/// The SDK's configuration loader, with one HTTP client for services and credentials providers, and a time limit for each
/// attempt of a call. Whatever it is given afterwards counts.
///
/// Nothing is read until [`load`](aws_config::ConfigLoader::load) is called: that reads the environment and the profile,
/// where the caller has not set something. Proxies, `AWS_CA_BUNDLE` and `ca_bundle` of a profile are not read: see
/// [`config_loader_with`].
pub fn config_loader() -> aws_config::ConfigLoader {
    config_loader_with(&HttpOptions::new())
}

/// The same, with an HTTP client of these options.
pub fn config_loader_with(http: &HttpOptions) -> aws_config::ConfigLoader {
    let limits = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(limits).http_client(http.client())
}
