//! From a target to back ends: AWS, API servers, or the sandbox. The only place that picks credentials.

mod aws;
mod kubernetes;
mod plugin;
mod retries;
mod sandbox;
mod target;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use irsa_core::backend::ClusterBackend;
use irsa_core::name::ClusterRef;
use irsa_core::{Client, Result};

pub use self::aws::Connection;
pub(crate) use self::target::{DEFAULT_SANDBOX_FILE, SANDBOX_CLUSTER, check_sandbox, named_cluster};
pub use self::target::{Need, Options, Target};
use crate::environment::Environment;

/// Makes clients. [`Live`] is the real thing; tests give their own.
#[async_trait]
pub trait Connect: Debug + Send + Sync {
    /// A client for a target that can reach the API servers of these clusters.
    ///
    /// # Errors
    /// `InvalidInput` where the surroundings name nothing that can be reached (no region, no such kubeconfig); other kinds
    /// where something was asked and failed.
    async fn connect(&self, environment: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client>;

    /// The API server that kubectl would talk to, while it is not known yet which cluster that is.
    ///
    /// # Errors
    /// `InvalidInput` where the surroundings name none.
    async fn server(&self, environment: &Environment, target: &Target) -> Result<Arc<dyn ClusterBackend>>;

    /// Ends when the run is to stop: Ctrl-C, or SIGTERM as Kubernetes, systemd and CI send it.
    async fn interrupted(&self);
}

/// AWS and clusters as the options, the environment and the kubeconfig say, or the sandbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live;

#[async_trait]
impl Connect for Live {
    async fn connect(&self, environment: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client> {
        let client = match &target.sandbox {
            Some(file) => sandbox::connect(file, servers)?,
            None => {
                let connection = Connection::open(environment, target, None).await?;
                connection.reaching(connection.client(), servers).await?
            }
        };
        Ok(client.with_timeout(target.timeout))
    }

    async fn server(&self, environment: &Environment, target: &Target) -> Result<Arc<dyn ClusterBackend>> {
        match &target.sandbox {
            Some(file) => sandbox::server(file),
            None => kubernetes::current_server(environment, target).await,
        }
    }

    async fn interrupted(&self) {
        tokio::select! {
            () = ended(tokio::signal::ctrl_c()) => {}
            () = ended(terminated()) => {}
        }
    }
}

/// Without a handler the signal ends the process as it always does.
async fn ended(signal: impl Future<Output = io::Result<()>>) {
    if signal.await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() -> io::Result<()> {
    let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    signal.recv().await;
    Ok(())
}

#[cfg(not(unix))]
async fn terminated() -> io::Result<()> {
    std::future::pending().await
}
