//! What irsa needs from EKS and STS.

use std::fmt::Debug;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::{AccountId, ClusterArn, ClusterRef, Issuer, Partition, RoleArn};

/// What EKS says of a cluster (EKS API reference, `DescribeCluster`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDescription {
    /// The ARN: gives partition, region, account and name.
    pub arn: ClusterArn,
    /// `ACTIVE`, `CREATING`, ...
    pub status: String,
    /// The issuer of the cluster's tokens; absent until the cluster is active, and on Outposts.
    pub issuer: Option<Issuer>,
    /// The URL of the API server.
    pub endpoint: Option<String>,
    /// The certificate authority of the API server: PEM in base64.
    pub certificate_authority: Option<String>,
    /// Whether it is a local cluster on an Outpost, which has no issuer.
    #[serde(default)]
    pub outpost: bool,
}

/// Who is calling (STS API reference, `GetCallerIdentity`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerIdentity {
    /// The partition of the caller's ARN.
    pub partition: Partition,
    /// The account.
    pub account: AccountId,
    /// The ARN of the caller.
    pub arn: String,
}

/// A request to exchange a projected token for a session of a role (STS API reference, `AssumeRoleWithWebIdentity`).
#[derive(Clone, Debug)]
pub struct TokenExchange {
    /// The role to assume.
    pub role: RoleArn,
    /// The name of the session, 2 to 64 characters.
    pub session_name: String,
    /// The projected token; never printed.
    pub token: SecretString,
}

/// What an exchange gave, without the credentials: irsa asks only whether the exchange works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The ARN of the session.
    pub assumed_role_arn: String,
    /// The subject that STS read from the token.
    pub subject: Option<String>,
    /// The audience that STS read from the token.
    pub audience: Option<String>,
    /// The provider that STS took the token for.
    pub provider: Option<String>,
}

/// EKS and STS. See the [contract of every method](crate::backend).
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait IdentityBackend: Debug + Send + Sync {
    /// Describes an EKS cluster: a name is one of the back end's own region, an ARN names its region.
    ///
    /// One call. `None` only when EKS says that there is no such cluster. A cluster named by its issuer is never asked
    /// for. Errors: `AccessDenied`, `Throttled`, `Unavailable`, `Unexpected` for an ARN or issuer that does not parse,
    /// `WrongCluster` when the cluster of this name has another ARN than the one given (it is in another account).
    async fn cluster(&self, cluster: &ClusterRef) -> Result<Option<ClusterDescription>>;

    /// Who is calling. One call; any valid credentials may make it. Errors: `AccessDenied` for expired or wrong ones.
    async fn caller_identity(&self) -> Result<CallerIdentity>;
}

/// The exchange of a projected token at STS; bindings do not need it.
#[async_trait]
pub trait TokenExchanger: Debug + Send + Sync {
    /// Exchanges a token for a session, as a pod does. One call, unsigned.
    ///
    /// Errors: `AccessDenied` with code `AccessDenied` when the trust policy does not let the subject in (or there is no
    /// such role), or code `InvalidIdentityToken` or `ExpiredTokenException` when the token itself is refused.
    async fn exchange(&self, request: &TokenExchange) -> Result<Session>;
}
