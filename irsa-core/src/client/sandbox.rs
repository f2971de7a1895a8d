//! A client of a sandbox.

use std::sync::Arc;

use super::Client;
use crate::sandbox::Sandbox;

impl Sandbox {
    /// A client of this sandbox that reaches its [default cluster](Self::default_cluster).
    pub fn client(&self) -> Client {
        let (sandbox, cluster) = (Arc::new(self.clone()), self.default_cluster());
        Client::new(sandbox.clone(), sandbox).with_cluster(cluster.name().clone(), Arc::new(cluster))
    }
}
