//! Back ends that answer from lists read once, for plans of many bindings.

mod cluster;
mod iam;
mod memo;

pub(crate) use self::cluster::ClusterSnapshot;
pub(crate) use self::iam::IamSnapshot;
