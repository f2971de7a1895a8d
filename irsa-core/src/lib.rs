//! irsa binds AWS IAM roles to Kubernetes service accounts (IRSA: a pod's projected token is exchanged at STS for the
//! credentials of the role): safely, in one step, and again and again without changing what is right already.
//!
//! # The flow
//! ```text
//! IrsaBinding --resolve--> ClusterIdentity --observe--> Observed --plan--> Plan --apply--> Report
//! what is wanted           issuer, account,      what is there      pure diff:       what was done,
//!                          partition, provider   (AWS, clusters)    a list of steps  step by step
//! binding.rs               cluster_identity.rs   observe.rs         plan.rs          apply.rs, report.rs
//! ```
//! Data goes one way. [`Client`] puts the stages together: [`plan`](Client::plan) writes nothing, and
//! [`apply`](Client::apply) consumes the very value that a dry run prints.
//!
//! # Back ends
//! Three traits of plain data ([`backend`]) are all that the stages know: identity (EKS, STS), IAM, cluster. They are
//! implemented by the in-memory [`Sandbox`], which needs nothing,
#![cfg_attr(feature = "aws", doc = "by [`aws::AwsBackend`] over the AWS SDK,")]
#![cfg_attr(feature = "kube", doc = "by [`kube::KubeCluster`] over an API server,")]
//! and by whatever you write yourself.
//!
//! # Many bindings
//! [`Client::plan_all`] and [`Client::apply_all`] take the same path for each of them, and read what they share once.
//! [`manifest`] reads them from files.
//!
//! # What the library does not do
//! It never prints, never exits and never reads the environment: clients, or the environment that they are to be found in,
//! are passed in. It logs through `tracing`, one span for each call, never a token.
//!
//! # Features
//! - `aws` (default): the AWS back end.
//! - `connect` (default): clients of AWS and of clusters, found by configuration, environment and kubeconfig.
//! - `kube` (default): the Kubernetes back end. The version of the Kubernetes API is chosen by the program, through a
//!   feature of `k8s-openapi` (such as `latest`).
//! - `test-util`: the sandbox records its calls and can be made to fail (`sandbox::Faults`).
//!
//! # Example
//! ```
//! use irsa_core::{IrsaBinding, Request, Sandbox};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let client = Sandbox::new().client();
//! let binding = IrsaBinding::builder("sandbox", "default", "my-serviceaccount")
//!     .with_policy("AmazonS3ReadOnlyAccess")
//!     .build()?;
//! let report = client.run(&Request::create(binding)).await?;
//! assert_eq!(report.role_name.map(|name| name.to_string()).as_deref(), Some("sandbox-default-my-serviceaccount"));
//! # Ok::<(), irsa_core::Error>(())
//! # }).unwrap();
//! ```
#![cfg_attr(feature = "connect", doc = "For AWS and clusters, [`connect`] makes the client.")]

mod apply;
#[cfg(feature = "aws")]
pub mod aws;
pub mod backend;
mod batch;
mod binding;
mod client;
mod cluster_identity;
#[cfg(feature = "connect")]
pub mod connect;
#[cfg(any(feature = "aws", feature = "kube"))]
mod connection_limit;
mod document;
mod error;
pub mod hint;
pub mod input;
#[cfg(not(irsa_mutants))]
mod invariants;
#[cfg(irsa_mutants)]
#[doc(hidden)]
pub mod invariants;
mod inventory;
#[cfg(feature = "kube")]
pub mod kube;
pub mod manifest;
pub mod name;
mod naming;
mod observe;
mod ownership;
mod permissions;
mod plan;
mod provider;
#[cfg(any(feature = "aws", feature = "kube"))]
mod proxy;
mod rate_limit;
mod report;
mod request;
mod retry;
pub mod sandbox;
mod service_account;
mod snapshot;
mod status;
#[cfg(test)]
#[cfg(any(feature = "aws", feature = "kube"))]
mod test_server;
mod text;
mod tolerance;
#[cfg(any(feature = "aws", feature = "kube"))]
mod transport;
pub mod trust;
#[cfg(any(feature = "aws", feature = "kube"))]
mod url;
mod waiting;

pub use self::backend::{DryRun, Takeover};
pub use self::batch::{FleetEntry, FleetOptions, FleetOutcome, FleetReport, Progress, Prunable, check_fleet};
pub use self::binding::{
    AUDIENCE_ANNOTATION, CREATED_ANNOTATION, IrsaBinding, IrsaBindingBuilder, OWN_PREFIX, ROLE_ARN_ANNOTATION,
    STS_REGIONAL_ENDPOINTS_ANNOTATION, TOKEN_EXPIRATION_ANNOTATION,
};
pub use self::client::Client;
pub use self::cluster_identity::{ClusterId, ClusterIdentity};
#[cfg(any(feature = "aws", feature = "kube"))]
pub use self::connection_limit::ConnectionLimit;
pub use self::document::PolicyDocument;
pub use self::error::{ConflictReason, Error, ErrorKind, Result, UNTRUSTED_CERTIFICATE};
pub use self::hint::Hint;
pub use self::inventory::Export;
#[cfg(feature = "kube")]
pub use self::kube::KubeCluster;
pub use self::naming::Convention;
pub use self::ownership::Origin;
pub use self::permissions::{Command, Holder, Permissions, Scope, permissions};
pub use self::plan::Plan;
#[cfg(any(feature = "aws", feature = "kube"))]
pub use self::proxy::ProxySettings;
pub use self::report::{Action, Outcome, Report, StepReport, Undeclared, Warning, WarningId};
pub use self::request::{Request, Verb};
pub use self::sandbox::Sandbox;
pub use self::status::{BindingState, BindingStatus, Issue, IssueId, ProviderStatus};
/// Ends a run between two steps; see [`Client::run_until`] and [`FleetOptions::cancellation`].
#[doc(no_inline)]
pub use tokio_util::sync::CancellationToken;

// Crates whose types are in signatures, in the versions that fit; `aws` and `kube` re-export theirs.
#[doc(no_inline)]
pub use async_trait;
#[doc(no_inline)]
pub use secrecy;
#[doc(no_inline)]
pub use serde_json;

/// The Rust of the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
