//! The seam: what irsa needs from EKS and STS, from IAM and from a cluster, in three traits of plain data.
//!
//! # Contract of every method
//! - What does not exist is `Ok(None)` for a read and [`NotFound`](crate::ErrorKind::NotFound) for a write. Only a typed
//!   "does not exist" of the service gives that; a refusal, a throttled or a malformed answer is an error of its own kind.
//! - Errors carry the service's code and message as cause, and what was being done as text. No token or secret is ever in
//!   an error, a log or `Debug`.
//! - Lists are whole: a back end follows the pages, and bounds what it reads.
//! - Back ends retry what the service asks to retry (throttling), nothing else; waits for consistency are above the seam.
//! - Dropping a future is safe: the call either took effect or did not.
//!
//! What no binding needs is in traits of its own: [`ConfigMapReader`], [`TokenExchanger`].
//!
//! [`AwsCall`] and its neighbours are for back ends that reach AWS by a client of their own.
//!
//! Implementations: the in-memory [`Sandbox`](crate::Sandbox), `AwsBackend` (feature `aws`) and `KubeCluster` (feature
//! `kube`). One contract suite in `tests/contract.rs` runs over all of them.

mod bulk;
mod call;
mod cluster;
mod code;
mod denial;
mod difference;
mod iam;
mod identity;
mod server_warnings;
mod wrap;

pub use self::bulk::{PolicyScope, join_settings, policies_named, version_to_read};
pub use self::call::{AwsCall, MAX_PAGES, is_finished};
pub use self::cluster::{
    AccessReview, ApiServerFingerprint, ClusterBackend, ClusterNamespace, ConfigMapReader, DRY_RUN_UNSUPPORTED, DryRun,
    FIELD_MANAGER, FieldOwner, NewServiceAccount, Precondition, ServiceAccount, Takeover,
};
#[cfg(feature = "kube")]
pub(crate) use self::cluster::{certificates, same_endpoint};
pub(crate) use self::code::kind_of_code;
#[cfg(feature = "aws")]
pub(crate) use self::code::kind_of_status;
pub(crate) use self::difference::changed_by_admission;
pub use self::difference::{Difference, stored_differently};
pub(crate) use self::iam::LISTING_ROLES;
pub use self::iam::{
    IamBackend, InlinePolicy, ManagedPolicy, NewRole, OidcProvider, PolicyFilter, Quotas, ROLE_UNFINISHED, Role,
    RoleDetail, RoleSettings,
};
pub use self::identity::{CallerIdentity, ClusterDescription, IdentityBackend, Session, TokenExchange, TokenExchanger};
pub(crate) use self::server_warnings::collect_warnings;
pub use self::server_warnings::pass_on_warning;
pub(crate) use self::wrap::wrap_iam;

#[cfg(test)]
pub(crate) use self::{iam::MockIamBackend, identity::MockIdentityBackend};
