//! The guards: the rules that failures, races and rights depend on, each by its name at the place where it is kept.
//!
//! They always stand, and cost nothing. With the feature `mutants` the tests take one away at a time ([`without`]) and make
//! sure that the simulation of failures sees it; nothing else may turn that feature on.
#![cfg_attr(not(feature = "mutants"), allow(unreachable_pub, reason = "seen with the feature `mutants` alone"))]

/// A rule that keeps what is bound from being lost, or from being given to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// An account is annotated after the role lets it in.
    TrustBeforeAnnotation,
    /// Of what is undone, the account goes last: by its annotation the next run finds the rest.
    AccountLast,
    /// Subjects beyond the first are recorded as tags.
    SubjectTags,
    /// After a write of the trust policy, trust and tags are read again.
    ReadAgain,
    /// A role is marked as going, and looked at again, before it goes.
    DeletionMark,
    /// Subjects leave before permissions come.
    LeaveBeforeGain,
    /// Permissions leave before subjects come.
    LossBeforeJoin,
    /// Inline documents that deny come first and leave last.
    DenyingDocuments,
    /// Managed policies that deny come first and leave last.
    DenyingPolicies,
    /// An inline policy that is replaced stays until what replaces it is there.
    ReplacementFirst,
    /// A role of another binding is not touched.
    Owner,
    /// A role of nobody is not touched unless that is asked for.
    Adoption,
    /// An annotation with another role's ARN is not taken over.
    AnnotationOfOthers,
    /// Quotas are counted before the first write.
    Quotas,
    /// The write of an account is tried before the first write.
    DryRun,
    /// The API server is that of the cluster.
    RightCluster,
    /// A provider that roles trust is not deleted.
    TrustedProvider,
    /// An account is made only where there still is none.
    AccountStillAbsent,
    /// An account is changed only as it was read.
    Preconditions,
    /// A new role whose policies are refused is rolled back.
    TakeBack,
    /// What time heals is waited for.
    Waits,
}

#[cfg(not(feature = "mutants"))]
impl Guard {
    /// Whether it is kept.
    pub(crate) const fn stands(self) -> bool {
        let _ = self;
        true
    }
}

#[cfg(feature = "mutants")]
pub use self::mutants::without;

#[cfg(feature = "mutants")]
mod mutants {
    use std::cell::Cell;

    use super::Guard;

    thread_local! {
        static BROKEN: Cell<Option<Guard>> = const { Cell::new(None) };
    }

    impl Guard {
        /// Every guard.
        pub const ALL: [Self; 21] = [
            Self::TrustBeforeAnnotation,
            Self::AccountLast,
            Self::SubjectTags,
            Self::ReadAgain,
            Self::DeletionMark,
            Self::LeaveBeforeGain,
            Self::LossBeforeJoin,
            Self::DenyingDocuments,
            Self::DenyingPolicies,
            Self::ReplacementFirst,
            Self::Owner,
            Self::Adoption,
            Self::AnnotationOfOthers,
            Self::Quotas,
            Self::DryRun,
            Self::RightCluster,
            Self::TrustedProvider,
            Self::AccountStillAbsent,
            Self::Preconditions,
            Self::TakeBack,
            Self::Waits,
        ];

        /// Whether it is kept on this thread.
        pub(crate) fn stands(self) -> bool {
            BROKEN.get() != Some(self)
        }

        /// The guard that is not kept on this thread.
        pub fn broken() -> Option<Self> {
            BROKEN.get()
        }
    }

    /// Runs something on this thread while one guard, or none, is not kept.
    pub fn without<T>(guard: Option<Guard>, run: impl FnOnce() -> T) -> T {
        struct Restore(Option<Guard>);
        impl Drop for Restore {
            fn drop(&mut self) {
                BROKEN.set(self.0);
            }
        }
        let _restore = Restore(BROKEN.replace(guard));
        run()
    }
}
