//! STUB with the final signatures: the lead writes the real one.
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{ClusterBackend, IamBackend, IdentityBackend};
use crate::error::{Error, ErrorKind, Result};
use crate::name::*;
use crate::report::Report;
use crate::request::Request;
use crate::view::*;

/// What is known of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity { }
impl Identity {
    /// Given by the user in place of asking EKS (`--issuer --account`); cluster and region may be unknown.
    pub fn given(_cluster: &ClusterRef, _issuer: Issuer, _account: AccountId, _partition: Partition, _region: Option<Region>) -> Self { Self {} }
}

/// The steps that a request needs.
#[derive(Clone, Debug)]
pub struct Plan { report: Report }
impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool { !self.report.changed }
    /// The plan as a report, every step `planned`.
    pub fn report(&self) -> Report { self.report.clone() }
}

/// Plans and applies.
#[derive(Clone, Debug)]
pub struct Client { }
fn stub<T>() -> Result<T> { Err(Error::new(ErrorKind::Unexpected, "stub")) }
impl Client {
    /// A client of these back ends.
    pub fn new(_identity: Arc<dyn IdentityBackend>, _iam: Arc<dyn IamBackend>) -> Self { Self {} }
    /// The identity back end with its cache, for back ends that wait for a cluster's description (EksCluster).
    pub fn identity_backend(&self) -> Arc<dyn IdentityBackend> { unreachable!() }
    /// Adds the API server of a cluster.
    #[must_use] pub fn with_cluster(self, _cluster: ClusterRef, _backend: Arc<dyn ClusterBackend>) -> Self { self }
    /// Gives a cluster's identity in place of asking EKS.
    #[must_use] pub fn with_identity(self, _cluster: ClusterRef, _identity: Identity) -> Self { self }
    /// The longest time for one binding, from its first write; default 2 minutes.
    #[must_use] pub fn with_timeout(self, _timeout: Duration) -> Self { self }
    /// What a request needs; writes nothing.
    pub async fn plan(&self, _request: &Request) -> Result<Plan> { stub() }
    /// Does what a plan says. On failure the error carries the report.
    pub async fn apply(&self, _plan: &Plan) -> Result<Report> { stub() }
    /// Plans and applies: what the CLI's create, update and delete do.
    pub async fn run(&self, _request: &Request) -> Result<Report> { stub() }
    /// A binding as it stands (names as in a binding; role_name None = found by annotation or default name).
    pub async fn get(&self, _cluster: &ClusterRef, _namespace: &Namespace, _service_account: &ServiceAccountName, _role_name: Option<&RoleName>) -> Result<BindingView> { stub() }
    /// All bindings of a cluster, from both sides; namespace None = all.
    pub async fn list(&self, _cluster: &ClusterRef, _namespace: Option<&Namespace>) -> Result<Vec<BindingView>> { stub() }
    /// The OIDC provider of a cluster.
    pub async fn provider(&self, _cluster: &ClusterRef) -> Result<ProviderView> { stub() }
    /// Makes the provider, or adds audiences; Report steps create_provider / add_audience. preview: planned only.
    pub async fn create_provider(&self, _cluster: &ClusterRef, _audiences: &[Audience], _preview: bool) -> Result<Report> { stub() }
    /// Deletes it; refused (Conflict, naming roles) while roles trust it unless force.
    pub async fn delete_provider(&self, _cluster: &ClusterRef, _force: bool, _preview: bool) -> Result<Report> { stub() }
}
