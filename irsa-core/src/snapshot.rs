//! Back ends that answer from lists read once, for plans of many bindings.

mod cluster;
mod iam;
mod memo;

pub(crate) use self::cluster::BulkCluster;
pub(crate) use self::iam::BulkIam;
