//! Trust policies: what they really let in, and how they are derived from the subjects of a role.
//!
//! [`TrustDocument`] is a policy read for evaluation: [`check`](TrustDocument::check) answers for one [`WebIdentityCaller`] with
//! [`Decision`] and reasons, [`subjects`](TrustDocument::subjects) for all callers of a provider at once. Both are pure, and
//! say `Unknown` where it depends on what is not given. What is decided is the trust policy alone: that the provider exists
//! and takes the audience is presumed, and policies of the organization are not seen.
//!
//! # Auditing
//! [`audit`] looks at many roles and tells who gets in that should not, as [`Finding`]s with the repaired document;
//! [`who_can`] tells of one role who gets in at all. Roles come from the account
//! ([`Client::audit_trust`](crate::Client::audit_trust)) or from files ([`roles_of_text`]).
//!
//! # Writing
//! irsa's own statements have a Sid that starts with `Irsa`: one per provider for exact subjects, one per provider for
//! patterns, one per declared further statement (`IrsaExtra<n>`), and `IrsaNobody` where no statement would be left. Every
//! other statement is foreign and stays as it is.

mod admission;
mod audit;
mod evaluate;
mod issuers;
mod render;

use std::fmt;

use serde_json::{Map, Value};

pub use self::audit::documents::{RoleDocuments, roles_of_text, trust_document_of_text};
pub(crate) use self::audit::documents::{trust_statements, trust_statements_of_text};
pub use self::audit::finding::{Audit, Finding, OtherPrincipal, TrustedSubjects, WhoCan};
pub use self::audit::rules::{FindingId, Ignore};
pub use self::audit::severity::Severity;
pub use self::audit::{AuditedRole, KnownAccount, Surroundings, audit, who_can};
pub use self::evaluate::caller::{WebIdentityCaller, service_account_claim, subject_claim};
pub use self::evaluate::decision::{Decision, TrustCheck};
pub use self::evaluate::document::TrustDocument;
pub use self::evaluate::subjects::{SubjectPart, SubjectSet};
pub use self::issuers::usual_audience;
use self::render::statement::nobody;
pub(crate) use self::render::statement::{OwnKind, WebIdentity, own_kind};
pub(crate) use self::render::{Derivation, Derived, derive, member_of};
use crate::document::{canonical, size, statements, stored};
use crate::error::Result;
use crate::name::ProviderArn;

/// A trust policy as it is stored, or as it will be.
///
/// Two are equal when they mean the same.
#[derive(Clone)]
pub(crate) struct TrustPolicy(Value);

impl TrustPolicy {
    /// Takes what IAM answered.
    ///
    /// # Errors
    /// `Unexpected` when it is no JSON object.
    pub(crate) fn from_stored(text: &str) -> Result<Self> {
        stored("trust policy", text).map(Self)
    }

    /// A policy without a statement: what derivation begins with for a new role.
    pub(crate) fn empty() -> Self {
        Self(serde_json::json!({"Version": "2012-10-17", "Statement": []}))
    }

    /// A policy that lets nobody in.
    pub(crate) fn closed() -> Self {
        Self(serde_json::json!({"Version": "2012-10-17", "Statement": [nobody()]}))
    }

    pub(crate) fn statements(&self) -> impl Iterator<Item = &Map<String, Value>> {
        statements(&self.0)
    }

    /// JSON without white space.
    pub(crate) fn minified(&self) -> String {
        self.0.to_string()
    }

    pub(crate) fn as_value(&self) -> &Value {
        &self.0
    }

    /// Characters as IAM counts them.
    pub(crate) fn size(&self) -> usize {
        size(&self.0)
    }

    /// The audience of irsa's own statement for a provider.
    pub(crate) fn own_audience(&self, provider: &ProviderArn) -> Option<String> {
        self.statements()
            .filter(|statement| own_kind(statement) == Some(OwnKind::Subjects))
            .filter_map(WebIdentity::read)
            .find(|web| web.trusts(provider))
            .and_then(|web| web.audiences.into_iter().next())
    }

    /// Allow statements that irsa did not write.
    pub(crate) fn foreign_allows(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.statements()
            .filter(|statement| own_kind(statement).is_none())
            .filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Allow"))
    }
}

impl From<Value> for TrustPolicy {
    fn from(document: Value) -> Self {
        Self(document)
    }
}

impl PartialEq for TrustPolicy {
    fn eq(&self, other: &Self) -> bool {
        canonical(&self.0) == canonical(&other.0)
    }
}

impl fmt::Debug for TrustPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.minified())
    }
}
