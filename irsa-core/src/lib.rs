//! irsa binds AWS IAM roles to Kubernetes service accounts.

pub mod backend;
mod binding;
mod document;
mod error;
pub mod name;
mod report;
mod sandbox;

pub use self::binding::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, IrsaBinding, IrsaBindingBuilder, OWN_PREFIX, ROLE_ARN_ANNOTATION,
    STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
pub use self::document::PolicyDocument;
pub use self::error::{Error, ErrorKind, Result};
pub use self::report::{Extra, Outcome, Report, StepReport, Warning, WarningId};
pub use self::sandbox::{
    Access, AccountState, At, Call, ClusterState, Denial, Failure, Faults, NamespaceState, PolicyState, ProviderState,
    RoleState, Sandbox, SandboxCluster, SandboxQuotas, SandboxState,
};
