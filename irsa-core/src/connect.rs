//! Connections to AWS and to API servers, as configuration, environment and kubeconfig describe them (feature `connect`).
//!
//! ```no_run
//! use irsa_core::connect::{Config, Environment};
//!
//! # async fn connect() -> irsa_core::Result<()> {
//! let environment = Environment::new(std::env::vars_os());
//! let client = Config::new().with_cluster("demo").connect(&environment).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Config`] holds what the caller chooses, [`Environment`] what the variables and files of the user say about the rest, and
//! [`Target`] is what both mean together. Credentials are picked as the aws CLI picks them, API servers as kubectl does, and
//! through EKS where no kubeconfig leads to the cluster. What the configuration leaves open, the AWS SDK looks up in the
//! variables of the process itself: regions, endpoints of single services, retries.

mod aws;
mod config;
mod connection;
mod environment;
mod kubernetes;
mod plugin;
mod retries;
mod sandbox;
mod target;

use std::sync::Arc;

pub use self::config::{Config, ConfigDefect};
pub use self::connection::Connection;
pub use self::environment::Environment;
pub use self::target::{Need, Target, named_cluster};
use crate::backend::ConfigMapReader;
use crate::client::Client;
use crate::error::Result;
use crate::name::ClusterRef;

impl Config {
    /// A client that reaches AWS and the API server of the cluster: that of the configuration, of `IRSA_CLUSTER`, or of the
    /// current context of the kubeconfig, in this order.
    ///
    /// # Errors
    /// `InvalidInput` where the configuration is malformed or contradicts itself, and where nothing names a cluster or leads
    /// to it; other kinds where a call was made and failed.
    pub async fn connect(&self, environment: &Environment) -> Result<Client> {
        let target = Target::new(self, environment, Need::Cluster)?;
        connect(environment, &target, target.cluster.as_slice()).await
    }
}

/// A client for a target that reaches the API servers of these clusters.
///
/// # Errors
/// `InvalidInput` where the environment does not lead to AWS or to a cluster (no region, no such kubeconfig); other kinds
/// where a call was made and failed.
pub async fn connect(environment: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client> {
    let client = match &target.sandbox {
        Some(file) => sandbox::connect(file, servers)?,
        None => {
            let connection = Connection::open(environment, target, None).await?;
            connection.reaching(connection.client(), servers).await?
        }
    };
    Ok(client.with_timeout(target.timeout))
}

/// The config maps of the API server that kubectl would talk to: for callers that do not know yet which cluster that is.
///
/// # Errors
/// `InvalidInput` where the environment leads to none.
pub async fn current_server(environment: &Environment, target: &Target) -> Result<Arc<dyn ConfigMapReader>> {
    match &target.sandbox {
        Some(file) => sandbox::server(file),
        None => kubernetes::current_server(environment, target).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::IrsaBinding;
    use crate::request::Request;

    /// The service account lands in the file, on the cluster that the configuration names, whatever else is set.
    #[tokio::test]
    async fn a_configured_client_is_connected() {
        let folder = tempfile::tempdir().unwrap();
        let environment =
            Environment::new([("IRSA_CLUSTER", "other"), ("AWS_PROFILE", "none")]).with_directory(folder.path());
        let client = Config::new().with_sandbox("s.json").connect(&environment).await.unwrap();
        let binding = IrsaBinding::builder("sandbox", "default", "worker").build().unwrap();
        let report = client.run(&Request::create(binding)).await.unwrap();
        assert_eq!(report.role_name.unwrap().as_str(), "sandbox-default-worker");
        let text = std::fs::read_to_string(folder.path().join("s.json")).unwrap();
        assert!(text.contains(r#""worker""#), "{text}");
    }

    #[tokio::test]
    async fn nothing_is_read_but_what_is_passed_in() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::new([("HOME", folder.path())]);
        let error = Config::new().connect(&environment).await.unwrap_err();
        assert_eq!(error.to_string(), "no cluster is named");
        let hint = error.hint().unwrap().to_string();
        assert_eq!(hint, "name it with `cluster` or IRSA_CLUSTER, or try things out with `sandbox`");
    }
}
