//! Why a request conflicts with something: the reasons that a program can act on.

use serde::{Deserialize, Serialize};

/// What a request conflicts with, where that is known. See [`Error::conflict_reason`](super::Error::conflict_reason).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConflictReason {
    /// Another field manager owns a field (Kubernetes documentation, "Server-Side Apply", "Conflicts").
    FieldManager,
    /// The service account is annotated with another role.
    OtherRole,
    /// The object was changed after it was read.
    Stale,
    /// An admission webhook or policy of the cluster refuses or changes what is written, whoever writes it.
    Admission,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// IAM keeps something else than what was written.
    StoredDifferently,
}

impl ConflictReason {
    /// The reason in snake case, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FieldManager => "field_manager",
            Self::OtherRole => "other_role",
            Self::Stale => "stale",
            Self::Admission => "admission",
            Self::NamespaceTerminating => "namespace_terminating",
            Self::StoredDifferently => "stored_differently",
        }
    }

    /// Whether the same write would be refused again. What was made in the same run is then rolled back.
    pub(crate) fn is_permanent(self) -> bool {
        match self {
            Self::OtherRole | Self::Admission | Self::NamespaceTerminating | Self::StoredDifferently => true,
            Self::FieldManager | Self::Stale => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_spelt_the_same_in_json_and_text() {
        for reason in [
            ConflictReason::FieldManager,
            ConflictReason::OtherRole,
            ConflictReason::Stale,
            ConflictReason::Admission,
            ConflictReason::NamespaceTerminating,
            ConflictReason::StoredDifferently,
        ] {
            assert_eq!(serde_json::to_value(reason).ok(), Some(serde_json::Value::from(reason.as_str())));
        }
    }
}
