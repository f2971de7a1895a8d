//! irsa binds AWS IAM roles to Kubernetes service accounts.

pub mod backend;
mod binding;
mod document;
mod error;
mod identity;
pub mod name;
mod ownership;
mod report;
mod request;
mod trust;
mod view;

pub use self::binding::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, IrsaBinding, IrsaBindingBuilder, OWN_PREFIX, ROLE_ARN_ANNOTATION,
    STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
pub use self::document::PolicyDocument;
pub use self::error::{Error, ErrorKind, Result};
pub use self::identity::{ClusterId, Identity};
pub use self::ownership::Origin;
pub use self::report::{Extra, Outcome, Report, StepReport, Warning, WarningId};
pub use self::request::{Request, Verb};
pub use self::view::{BindingState, BindingView, Problem, ProviderView};
