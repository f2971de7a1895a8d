//! irsa binds AWS IAM roles to Kubernetes service accounts.

pub mod backend;
mod binding;
mod document;
mod error;
#[cfg(feature = "kube")]
pub mod kube;
pub mod name;
mod report;

pub use self::binding::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, IrsaBinding, IrsaBindingBuilder, OWN_PREFIX, ROLE_ARN_ANNOTATION,
    STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
pub use self::document::PolicyDocument;
pub use self::error::{Error, ErrorKind, Result};
#[cfg(feature = "kube")]
pub use self::kube::KubeCluster;
pub use self::report::{Extra, Outcome, Report, StepReport, Warning, WarningId};
