//! No AWS and no cluster: the embedded back end, kept in a file.

use std::path::Path;
use std::sync::Arc;

use irsa_core::name::ClusterRef;
use irsa_core::{Client, Result, Sandbox};

pub(super) fn connect(file: &Path, servers: &[ClusterRef]) -> Result<Client> {
    let sandbox = Sandbox::open(file)?;
    let client = Client::new(Arc::new(sandbox.clone()), Arc::new(sandbox.clone()));
    Ok(servers
        .iter()
        .fold(client, |client, cluster| client.with_cluster(cluster.clone(), Arc::new(sandbox.cluster(cluster)))))
}
