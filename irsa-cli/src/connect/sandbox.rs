//! No AWS and no cluster: the embedded back end, kept in a file.

use std::path::Path;
use std::sync::Arc;

use irsa_core::backend::ClusterBackend;
use irsa_core::name::ClusterRef;
use irsa_core::{Client, Result, Sandbox};

pub(super) fn connect(file: &Path, servers: &[ClusterRef]) -> Result<Client> {
    let sandbox = Sandbox::open(file)?;
    let client = Client::new(Arc::new(sandbox.clone()), Arc::new(sandbox.clone()));
    Ok(servers
        .iter()
        .fold(client, |client, cluster| client.with_cluster(cluster.clone(), Arc::new(sandbox.cluster(cluster)))))
}

/// The API server of the cluster that every sandbox begins with.
pub(super) fn server(file: &Path) -> Result<Arc<dyn ClusterBackend>> {
    Ok(Arc::new(Sandbox::open(file)?.default_cluster()))
}
