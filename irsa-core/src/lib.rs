//! irsa binds AWS IAM roles to Kubernetes service accounts.

mod account;
mod apply;
pub mod backend;
mod binding;
mod client;
mod document;
mod error;
mod identity;
mod inventory;
pub mod name;
mod observe;
mod ownership;
mod plan;
mod provider;
mod report;
mod request;
mod retry;
mod trust;
mod view;

pub use self::binding::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, IrsaBinding, IrsaBindingBuilder, OWN_PREFIX, ROLE_ARN_ANNOTATION,
    STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
pub use self::client::Client;
pub use self::document::PolicyDocument;
pub use self::error::{Error, ErrorKind, Result};
pub use self::identity::{ClusterId, Identity};
pub use self::ownership::Origin;
pub use self::plan::Plan;
pub use self::report::{Extra, Outcome, Report, StepReport, Warning, WarningId};
pub use self::request::{Request, Verb};
pub use self::view::{BindingState, BindingView, Problem, ProviderView};
