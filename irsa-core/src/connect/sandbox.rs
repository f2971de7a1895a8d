//! The sandbox in a file, in place of AWS and clusters.

use std::path::Path;
use std::sync::Arc;

use crate::backend::ConfigMapReader;
use crate::client::Client;
use crate::error::Result;
use crate::name::ClusterRef;
use crate::sandbox::Sandbox;

pub(super) fn connect(file: &Path, servers: &[ClusterRef]) -> Result<Client> {
    let sandbox = Sandbox::open(file)?;
    Ok(servers.iter().fold(sandbox.client(), |client, cluster| {
        client.with_cluster(cluster.clone(), Arc::new(sandbox.cluster(cluster)))
    }))
}

/// The API server of the cluster that every sandbox begins with.
pub(super) fn server(file: &Path) -> Result<Arc<dyn ConfigMapReader>> {
    Ok(Arc::new(Sandbox::open(file)?.default_cluster()))
}
