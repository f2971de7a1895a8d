//! From options to back ends, and when to stop: the seam at which tests put their own back ends.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use irsa_core::backend::ConfigMapReader;
use irsa_core::connect::{Config, Environment, Need, Target};
use irsa_core::name::ClusterRef;
use irsa_core::{Client, Result, connect};

use crate::process::Process;
use crate::spelling::Spelling;

/// Makes clients. [`Live`] is the real thing; tests give their own.
#[async_trait]
pub trait Connect: Debug + Send + Sync {
    /// A client for a target that can reach the API servers of these clusters.
    ///
    /// # Errors
    /// `InvalidInput` where the environment names nothing that can be reached (no region, no such kubeconfig); other kinds
    /// where a call was made and failed.
    async fn connect(&self, environment: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client>;

    /// The config maps of the API server that kubectl would talk to, while it is not known yet which cluster that is.
    ///
    /// # Errors
    /// `InvalidInput` where the environment names none.
    async fn server(&self, environment: &Environment, target: &Target) -> Result<Arc<dyn ConfigMapReader>>;

    /// Ends when the run is to stop: Ctrl-C, or SIGTERM as Kubernetes, systemd and CI send it.
    async fn interrupted(&self);
}

/// AWS and clusters as options, environment and kubeconfig name them, or the sandbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live;

#[async_trait]
impl Connect for Live {
    async fn connect(&self, environment: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client> {
        connect::connect(environment, target, servers).await
    }

    async fn server(&self, environment: &Environment, target: &Target) -> Result<Arc<dyn ConfigMapReader>> {
        connect::current_server(environment, target).await
    }

    async fn interrupted(&self) {
        tokio::select! {
            () = ended(tokio::signal::ctrl_c()) => {}
            () = ended(terminated()) => {}
        }
    }
}

/// The target of the options.
pub(crate) fn target(config: Config, process: &Process, need: Need) -> Result<Target> {
    config.check().map_err(|defect| defect.into_error(&Spelling::default()))?;
    Target::new(&config.with_plugins(process.plugins()), &process.environment, need)
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
