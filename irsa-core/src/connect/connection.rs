//! AWS and the API servers of a target, connected.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::aws::configuration;
use super::environment::Environment;
use super::kubernetes;
use super::target::Target;
use crate::aws::AwsBackend;
use crate::client::Client;
use crate::connection_limit::ConnectionLimit;
use crate::error::Result;
use crate::name::{ClusterRef, Partition, Region};

/// AWS as a target describes it, and access to API servers from there; for one request or for many.
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
            client = client.with_cluster_identity(cluster.clone(), identity);
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
