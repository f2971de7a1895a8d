//! irsa binds AWS IAM roles to Kubernetes service accounts.

pub mod backend;
mod binding;
mod document;
mod error;
pub mod name;
mod client;
mod report;
mod request;
mod view;

pub use self::client::{Client, Identity, Plan};
pub use self::request::{Request, Verb};
pub use self::view::{BindingState, BindingView, Problem, ProviderView};

pub use self::binding::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, IrsaBinding, IrsaBindingBuilder, OWN_PREFIX, ROLE_ARN_ANNOTATION,
    STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
pub use self::document::PolicyDocument;
pub use self::error::{Error, ErrorKind, Result};
pub use self::report::{Extra, Outcome, Report, StepReport, Warning, WarningId};
