//! Findings before their repairs are worked out.

use super::rules::FindingId;
use super::severity::Severity;
use crate::name::ProviderArn;

/// Stands for a subject that nobody can tell. No service account can have it, since names have no upper-case letters.
pub(in crate::trust) const PLACEHOLDER: &str = "system:serviceaccount:NAMESPACE:NAME";

/// What has to be done to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::trust) enum Repair {
    /// Nothing in the document is wrong, or nobody can tell how it should be.
    None,
    /// Name those who are meant.
    Subjects,
    /// Test the keys of the principal's own issuer.
    Keys,
    /// Test the audience.
    Audience,
    /// Take subjects out.
    Leave(Vec<String>),
    /// Take the provider out.
    Provider,
    /// Name the principals in place of a wildcard.
    Principal,
}

/// A finding before its repair is worked out.
#[derive(Clone, Debug)]
pub(in crate::trust) struct Raw {
    pub(in crate::trust) id: FindingId,
    pub(in crate::trust) severity: Severity,
    /// The number of the statement, from 0.
    pub(in crate::trust) statement: Option<usize>,
    pub(in crate::trust) provider: Option<ProviderArn>,
    pub(in crate::trust) message: String,
    pub(in crate::trust) evidence: Vec<String>,
    pub(in crate::trust) repair: Repair,
}

impl Raw {
    pub(in crate::trust) fn new(
        id: FindingId,
        statement: impl Into<Option<usize>>,
        message: impl Into<String>,
    ) -> Self {
        let (statement, message) = (statement.into(), message.into());
        let (provider, evidence, repair) = (None, Vec::new(), Repair::None);
        Self { id, severity: id.severity(), statement, provider, message, evidence, repair }
    }
}
