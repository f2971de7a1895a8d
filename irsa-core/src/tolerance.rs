//! Reads that may fail without failing the run: which they are, and by which errors.

use crate::error::{Error, ErrorKind, Result};

/// A read that a run can do without. Any other read that fails is an error of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionalRead {
    /// The list of the account's roles. Without it each role is read by itself, or found by an annotation alone.
    Roles,
    /// The list of a cluster's service accounts. Without it each is read by itself, and those that are not named stay unseen.
    ServiceAccounts,
    /// A service account that may still use a role that is pruned. Without it the role counts as used.
    RoleUser,
    /// The state of a namespace. Without it the write shows whether the namespace is there.
    Namespace,
    /// A role that is named by its ARN. Without it its trust policy is not verified.
    NamedRole,
    /// A managed policy. Attaching it needs no right to read it, and the write shows whether it is there.
    Policy,
    /// The document of a managed policy, which may also be one that cannot be understood. Without it the order of writes is
    /// a guess.
    PolicyDocument,
    /// The quotas of the account. Without them IAM refuses the write that exceeds one.
    Quotas,
    /// The providers and clusters that an audit compares roles with. Without them nothing is said of them.
    AuditContext,
}

impl OptionalRead {
    /// Whether the run goes on without the read when it fails by this error.
    pub(crate) fn tolerates(self, error: &Error) -> bool {
        match self {
            Self::Roles | Self::ServiceAccounts | Self::RoleUser | Self::Namespace | Self::NamedRole | Self::Policy => {
                error.kind() == ErrorKind::AccessDenied
            }
            Self::PolicyDocument => matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Unexpected),
            // They only help: no error of theirs is worth more than the run.
            Self::Quotas | Self::AuditContext => true,
        }
    }

    /// What was read; nothing where the read failed and may.
    ///
    /// # Errors
    /// Those that are not tolerated.
    pub(crate) fn tolerate<T>(self, read: Result<T>) -> Result<Option<T>> {
        self.tolerate_with(read, |_| ())
    }

    /// As [`tolerate`](Self::tolerate); `warn` gets the error that is tolerated.
    ///
    /// # Errors
    /// Those that are not tolerated.
    pub(crate) fn tolerate_with<T>(self, read: Result<T>, warn: impl FnOnce(Error)) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.tolerates(&error) => {
                warn(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: ErrorKind) -> Result<()> {
        Err(Error::new(kind, "read"))
    }

    #[test]
    fn each_read_tolerates_its_own_errors() {
        use OptionalRead as Read;
        for (read, denied, unexpected, unavailable) in [
            (Read::Roles, true, false, false),
            (Read::ServiceAccounts, true, false, false),
            (Read::RoleUser, true, false, false),
            (Read::Namespace, true, false, false),
            (Read::NamedRole, true, false, false),
            (Read::Policy, true, false, false),
            (Read::PolicyDocument, true, true, false),
            (Read::Quotas, true, true, true),
            (Read::AuditContext, true, true, true),
        ] {
            let tolerated = |kind| read.tolerate(failed(kind)).is_ok_and(|value| value.is_none());
            assert_eq!(tolerated(ErrorKind::AccessDenied), denied, "{read:?}");
            assert_eq!(tolerated(ErrorKind::Unexpected), unexpected, "{read:?}");
            assert_eq!(tolerated(ErrorKind::Unavailable), unavailable, "{read:?}");
        }
    }

    #[test]
    fn warns_of_what_is_tolerated_only() {
        let mut warned = Vec::new();
        let mut read = |result| OptionalRead::Roles.tolerate_with(result, |error| warned.push(error.kind()));
        assert_eq!(read(Ok(())).unwrap(), Some(()));
        assert_eq!(read(failed(ErrorKind::AccessDenied)).unwrap(), None);
        assert_eq!(read(failed(ErrorKind::Timeout)).unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(warned, [ErrorKind::AccessDenied]);
    }
}
