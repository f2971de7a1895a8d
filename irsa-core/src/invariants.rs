//! Named invariants: rules that failure handling, races and permissions depend on.
//!
//! All of them are enforced, at no cost. Built with `--cfg irsa_mutants`, as the tests of this workspace are, one of them can
//! be disabled on the current thread ([`without`]) to prove that the failure simulation notices.
#![cfg_attr(not(irsa_mutants), allow(unreachable_pub, reason = "public with the cfg `irsa_mutants` only"))]

/// A rule that keeps a binding from being lost, or permissions from being granted to someone else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// A service account is annotated after the role trusts it.
    TrustBeforeAnnotation,
    /// A delete removes the service account last: its annotation lets the next run find the rest.
    ServiceAccountLast,
    /// Subjects beyond the first are recorded as tags.
    SubjectTags,
    /// After a write of the trust policy, trust policy and tags are read again.
    TrustReadBack,
    /// A role is marked as being deleted, and read again, before it is deleted.
    DeletionMark,
    /// A delete writes only while its mark is young.
    DeletionDeadline,
    /// The mark of a delete is removed only when it is old.
    DeletionAwaited,
    /// Subjects are removed before permissions are added.
    RemoveSubjectsBeforeGrants,
    /// Permissions are removed before subjects are added.
    RevokeBeforeAddingSubjects,
    /// Inline documents with a Deny are written first and removed last.
    DenyingDocuments,
    /// Managed policies with a Deny are attached first and detached last.
    DenyingPolicies,
    /// A replaced inline policy stays until its replacement is written.
    ReplacementFirst,
    /// A role of another binding is not changed.
    Owner,
    /// A role without an owner is not changed unless adoption was asked for.
    Adoption,
    /// An annotation with another role's ARN is not overwritten.
    ForeignAnnotation,
    /// Quotas are checked before the first write.
    Quotas,
    /// The write of a service account is tried as a dry run before the first write.
    DryRun,
    /// The API server is that of the cluster.
    RightCluster,
    /// A provider that roles trust is not deleted.
    TrustedProvider,
    /// A service account is created only where there still is none.
    StillAbsent,
    /// A service account is changed only as it was read.
    Preconditions,
    /// A new role whose policies are refused is rolled back.
    RollBack,
    /// Eventual consistency is waited for.
    ConsistencyWaits,
}

#[cfg(not(irsa_mutants))]
impl Invariant {
    /// Whether it is enforced: always.
    pub(crate) const fn is_enforced(self) -> bool {
        let _ = self;
        true
    }
}

#[cfg(irsa_mutants)]
pub use self::mutants::without;

#[cfg(irsa_mutants)]
mod mutants {
    use std::cell::Cell;

    use super::Invariant;

    thread_local! {
        static DISABLED: Cell<Option<Invariant>> = const { Cell::new(None) };
    }

    impl Invariant {
        /// Every invariant.
        pub const ALL: [Self; 23] = [
            Self::TrustBeforeAnnotation,
            Self::ServiceAccountLast,
            Self::SubjectTags,
            Self::TrustReadBack,
            Self::DeletionMark,
            Self::DeletionDeadline,
            Self::DeletionAwaited,
            Self::RemoveSubjectsBeforeGrants,
            Self::RevokeBeforeAddingSubjects,
            Self::DenyingDocuments,
            Self::DenyingPolicies,
            Self::ReplacementFirst,
            Self::Owner,
            Self::Adoption,
            Self::ForeignAnnotation,
            Self::Quotas,
            Self::DryRun,
            Self::RightCluster,
            Self::TrustedProvider,
            Self::StillAbsent,
            Self::Preconditions,
            Self::RollBack,
            Self::ConsistencyWaits,
        ];

        /// Whether it is enforced on this thread.
        pub(crate) fn is_enforced(self) -> bool {
            DISABLED.get() != Some(self)
        }

        /// The invariant that is disabled on this thread.
        pub fn disabled() -> Option<Self> {
            DISABLED.get()
        }
    }

    /// Runs `run` on this thread with one invariant, or none, disabled.
    pub fn without<T>(invariant: Option<Invariant>, run: impl FnOnce() -> T) -> T {
        struct Restore(Option<Invariant>);
        impl Drop for Restore {
            fn drop(&mut self) {
                DISABLED.set(self.0);
            }
        }
        let _restore = Restore(DISABLED.replace(invariant));
        run()
    }
}
