//! What an audit gives: who gets in that should not, and the document that would keep them out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::severity::Severity;
use crate::report::Warning;
use crate::trust::{Decision, FindingId};

/// One thing that an audit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its stable id, such as `any-subject`.
    pub id: FindingId,
    /// How bad it is.
    pub severity: Severity,
    /// The role; nothing for a document that does not say whose it is.
    pub role_arn: Option<String>,
    /// The file that the document came from, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The statement, by its Sid or its number, `statement 1`; nothing where it is about the whole role.
    pub statement: Option<String>,
    /// Who gets in that should not, in words.
    pub message: String,
    /// What shows it: tests, subjects, accounts.
    pub evidence: Vec<String>,
    /// The whole document, with this finding repaired and everything else as it is; nothing where nothing in the document
    /// is wrong, or where no repair would not let somebody new in.
    ///
    /// Where nobody can tell which service account of a cluster was meant, it names the subject
    /// `system:serviceaccount:NAMESPACE:NAME`, which no service account can have: until that is replaced, the repaired
    /// statement lets nobody in. For any other issuer there is no repair then, so that no pipeline is locked out by one.
    pub fix: Option<Value>,
}

/// The subjects that one statement of a role lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrustedSubjects {
    /// The `sub` claims: an exact one, or a pattern with `*` and `?`.
    pub pattern: String,
    /// Those of the pattern that are not let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// The cluster by ARN, or the issuer where no known cluster has it.
    pub cluster: String,
    /// The service behind the issuer, such as `GitHub Actions`, where it is known and not a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_name: Option<String>,
    /// The audiences of the tokens that get in; `*` for whatever audience the provider takes.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// `allow`, or `unknown` where it depends on something.
    pub decision: Decision,
    /// What an unknown one depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// Whether the pattern is exactly who is let in, and not more than that.
    pub exact: bool,
    /// What would make it impossible for them to get in, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impossible_if: Vec<String>,
    /// The service accounts that exist and fit, `NAMESPACE/NAME`; nothing where the cluster was not read.
    pub service_accounts: Option<Vec<String>>,
    /// Those of them whose annotation names this role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotated: Vec<String>,
}

/// A principal that is trusted by other ways than the tokens of an OIDC provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OtherPrincipal {
    /// `aws`, `service`, `federated`, `canonical_user` or `everyone`.
    pub kind: String,
    /// The principal as it stands in the document.
    pub principal: String,
    /// The statement, by its Sid or its number.
    pub statement: String,
    /// The actions it is let in by.
    pub actions: Vec<String>,
    /// Whether it is of another account than the role, where that can be told.
    pub other_account: Option<bool>,
    /// Whether conditions limit it.
    pub conditional: bool,
}

/// Who can assume a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WhoCan {
    /// The role.
    pub role_arn: String,
    /// By tokens of OIDC providers.
    pub subjects: Vec<TrustedSubjects>,
    /// By anything else.
    pub others: Vec<OtherPrincipal>,
    /// What an audit says of the role.
    pub findings: Vec<Finding>,
    /// Why IAM itself would refuse the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What could not be read.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// What an audit of many roles found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Audit {
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// How many roles were looked at.
    pub roles: usize,
    /// How many of them trust an OIDC provider.
    pub trusting: usize,
    /// How many findings were left out because they are to be ignored.
    #[serde(default)]
    pub ignored: usize,
    /// What could not be read.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

impl Audit {
    /// The worst severity found, if anything was.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
