//! What an evaluation gives: a decision with its reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a trust policy lets a caller assume the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It does, whatever else the request says.
    Allow,
    /// It does not, whatever else the request says.
    Deny,
    /// It depends on something that is not known.
    Unknown,
}

impl Decision {
    /// The decision in snake case, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer to "may this caller assume the role?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrustCheck {
    /// The decision.
    pub decision: Decision,
    /// What led to it, statement by statement, in words.
    pub reasons: Vec<String>,
    /// What an unknown decision depends on, in words; empty for the others.
    pub conditions: Vec<String>,
    /// Why IAM itself would refuse to store the document, in words; it is evaluated all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
