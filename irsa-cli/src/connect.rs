//! Makes clients from options, and waits for interruptions. Tests put their own back ends here.

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

/// Makes clients. [`Live`] connects to AWS and clusters; tests have their own.
#[async_trait]
pub trait Connect: Debug + Send + Sync {
    /// Returns a client for a target, connected to the API servers of these clusters.
    ///
    /// # Errors
    /// `InvalidInput` if the configuration is incomplete (no region, no such kubeconfig); other kinds if a call failed.
    async fn connect(&self, environment: &Environment, target: &Target, servers: &[ClusterRef]) -> Result<Client>;

    /// Returns the config maps of the API server that kubectl would use, whichever cluster it belongs to.
    ///
    /// # Errors
    /// `InvalidInput` if the configuration names none.
    async fn server(&self, environment: &Environment, target: &Target) -> Result<Arc<dyn ConfigMapReader>>;

    /// Completes on Ctrl-C, or on SIGTERM, which Kubernetes, systemd and CI send.
    async fn interrupted(&self);
}

/// AWS and clusters according to options, environment and kubeconfig, or the sandbox.
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

/// Target that the options name.
pub(crate) fn target(config: Config, process: &Process, need: Need) -> Result<Target> {
    config.check().map_err(|defect| defect.into_error(&Spelling::default()))?;
    Target::new(&config.with_plugins(process.plugins()), &process.environment, need)
}

/// If the handler cannot be installed, the signal ends the process as usual.
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
