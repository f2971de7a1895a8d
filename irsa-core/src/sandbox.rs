//! The sandbox: EKS, STS, IAM and API servers in memory, as strict as the real ones where users can see it.
//!
//! This file holds the [`Sandbox`] itself: how it is made, and the one way that every call takes through it.

mod accounts;
mod admission;
mod apply;
mod cluster;
mod cluster_edit;
mod defaults;
mod edit;
#[cfg(any(test, feature = "test-util"))]
mod faults;
mod file;
mod iam;
mod identity;
mod policies;
#[cfg(test)]
mod property_tests;
mod providers;
#[cfg(any(test, feature = "test-util"))]
mod recorder;
mod responses;
mod roles;
mod state;
mod sts;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::cluster::SandboxCluster;
#[cfg(any(test, feature = "test-util"))]
pub use self::faults::{Failure, Faults};
#[cfg(any(test, feature = "test-util"))]
pub use self::recorder::{Access, At, Call, METHODS};
pub use self::state::{
    AdmissionState, ClusterState, Denial, IamChanges, NamespaceState, PolicyState, ProviderState, RoleState,
    SandboxQuotas, SandboxState, ServiceAccountState,
};

use self::file::StateFile;
use self::responses::Answer;
use crate::error::Result;
use crate::name::{AccountId, ClusterName, ClusterRef, Region};

/// An AWS account with its EKS clusters, in memory or in a file: a back end for trying things out and for tests.
///
/// It implements [`IdentityBackend`](crate::backend::IdentityBackend) and [`IamBackend`](crate::backend::IamBackend);
/// [`cluster`](Self::cluster) gives the [`ClusterBackend`](crate::backend::ClusterBackend) of each of its clusters.
/// Clones are the same sandbox. A fresh one is the account `123456789012` in `us-east-1` with an active cluster
/// `sandbox`, its OIDC provider, the namespaces `default` and `kube-system`, and the AWS-managed policies by name.
///
/// # How strict it is
/// As AWS and the API server are, in their words: names that differ only in case, documents, quotas, tags,
/// `EntityAlreadyExists`, `DeleteConflict`, unknown policies, service-linked roles; field managers and their conflicts,
/// missing namespaces, resource versions, RBAC, and the admission webhooks and policies that
/// [`ClusterState::admission`] lists. It differs in that writes are seen at once, ids are counted, no clock
/// runs (tokens do not expire), permissions are not evaluated, and no controller makes the account `default`.
///
/// ```
/// use irsa_core::Sandbox;
/// use irsa_core::backend::{IamBackend, IdentityBackend, NewRole};
/// use irsa_core::name::{ClusterRef, PolicyArn, RoleName};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> irsa_core::Result<()> {
/// let sandbox = Sandbox::new();
/// let cluster: ClusterRef = "sandbox".parse()?;
/// let described = IdentityBackend::cluster(&sandbox, &cluster).await?;
/// assert!(described.is_some_and(|cluster| cluster.issuer.is_some()));
///
/// let role = NewRole {
///     arn: "arn:aws:iam::123456789012:role/s3-reader".parse()?,
///     trust_policy: r#"{"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
///                      "Action": "sts:AssumeRole"}}"#.to_owned(),
///     description: None,
///     max_session_duration: None,
///     permissions_boundary: None,
///     tags: Default::default(),
/// };
/// sandbox.create_role(&role).await?;
///
/// // A misspelt policy fails as it does at AWS.
/// let policy: PolicyArn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAcces".parse()?;
/// let error = sandbox.attach_policy(&RoleName::new("S3-Reader")?, &policy).await.unwrap_err();
/// assert_eq!(error.code(), Some("NoSuchEntity"));
/// assert!(error.causes()[0].ends_with("AmazonS3ReadOnlyAcces does not exist or is not attachable."));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    store: Mutex<Store>,
    path: Option<PathBuf>,
    #[cfg(any(test, feature = "test-util"))]
    faults: Faults,
}

enum Store {
    Memory(Box<SandboxState>),
    File(Box<StateFile>),
}

impl Store {
    fn read(&mut self) -> Result<&SandboxState> {
        match self {
            Self::Memory(state) => Ok(state),
            Self::File(file) => file.read(),
        }
    }

    /// Every change checks everything before it touches anything, so a refused one leaves the state as it was.
    fn write<T>(&mut self, change: impl FnOnce(&mut SandboxState) -> Answer<T>) -> Result<Answer<T>> {
        match self {
            Self::Memory(state) => Ok(change(state)),
            Self::File(file) => file.write(change),
        }
    }
}

/// A call of a trait's method: what is asked for, and how errors call it.
struct Request {
    method: &'static str,
    target: String,
    #[cfg(any(test, feature = "test-util"))]
    access: Access,
    /// Such as "cannot create role r".
    operation: String,
}

impl Request {
    fn read(method: &'static str, target: impl fmt::Display, operation: impl Into<String>) -> Self {
        Self {
            method,
            target: target.to_string(),
            #[cfg(any(test, feature = "test-util"))]
            access: Access::Read,
            operation: operation.into(),
        }
    }

    fn write(method: &'static str, target: impl fmt::Display, operation: impl Into<String>) -> Self {
        Self {
            #[cfg(any(test, feature = "test-util"))]
            access: Access::Write,
            ..Self::read(method, target, operation)
        }
    }
}

impl Sandbox {
    /// The name of the cluster that a fresh sandbox has.
    pub const CLUSTER: &'static str = "sandbox";

    /// A fresh sandbox in memory.
    pub fn new() -> Self {
        Self::of(Store::Memory(Box::default()))
    }

    /// A fresh sandbox in memory, in another account and region; the partition is that of the region.
    pub fn in_account(account: AccountId, region: Region) -> Self {
        Self::of(Store::Memory(Box::new(SandboxState::fresh(account, region))))
    }

    /// A sandbox in memory that holds this state.
    ///
    /// # Errors
    /// `InvalidInput` where no account can hold it, such as two roles whose names differ in case alone.
    pub fn from_state(state: SandboxState) -> Result<Self> {
        Ok(Self::of(Store::Memory(Box::new(state.complete()?))))
    }

    /// A sandbox that is kept in a file: JSON in the form of [`SandboxState`], which may be edited by hand.
    ///
    /// The file is read before each call and replaced as a whole by each write, under a lock on the file of the same name
    /// with `.lock` at its end; so several processes can use it at once. A file that is not there is a fresh sandbox and
    /// is made by the first write.
    ///
    /// # Errors
    /// `InvalidInput`, with line and column, where the file is not in that form; such a file is never written to.
    /// `AccessDenied` or `Unavailable` where it cannot be read. Calls give the same errors later on.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(Store::File(Box::new(StateFile::open(path.as_ref())?))))
    }

    fn of(store: Store) -> Self {
        let path = match &store {
            Store::Memory(_) => None,
            Store::File(file) => Some(file.path().to_owned()),
        };
        Self(Arc::new(Inner {
            store: Mutex::new(store),
            path,
            #[cfg(any(test, feature = "test-util"))]
            faults: Faults::default(),
        }))
    }

    /// The file that it is kept in, if it is.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Everything it holds now.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); a sandbox in memory gives none.
    pub fn state(&self) -> Result<SandboxState> {
        self.store().read().cloned()
    }

    /// The API server of a cluster. It need not be there: calls then fail with `Unavailable`.
    pub fn cluster(&self, cluster: &ClusterRef) -> SandboxCluster {
        SandboxCluster::new(self.clone(), cluster.clone())
    }

    /// The API server of the cluster that a fresh sandbox has.
    pub fn default_cluster(&self) -> SandboxCluster {
        self.cluster(&ClusterRef::Name(ClusterName::constant(Self::CLUSTER)))
    }

    async fn read<T>(&self, request: Request, work: impl Fn(&SandboxState) -> Answer<T> + Send + Sync) -> Result<T> {
        self.call(request, |sandbox| Ok(work(sandbox.store().read()?))).await
    }

    async fn write<T>(
        &self,
        request: Request,
        work: impl Fn(&mut SandboxState) -> Answer<T> + Send + Sync,
    ) -> Result<T> {
        self.call(request, |sandbox| sandbox.store().write(&work)).await
    }

    /// Every call of a trait's method goes through here.
    async fn call<T>(&self, request: Request, work: impl Fn(&Self) -> Result<Answer<T>> + Send + Sync) -> Result<T> {
        tracing::debug!(method = request.method, target = request.target, "sandbox call");
        #[cfg(any(test, feature = "test-util"))]
        let answer = self.call_with_faults(&request, work).await;
        #[cfg(not(any(test, feature = "test-util")))]
        let answer = work(self)?.map_err(|refusal| refusal.during(&request.operation));
        answer
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("path", &self.path()).finish_non_exhaustive()
    }
}
