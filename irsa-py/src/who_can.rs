//! Who can assume a role.

use irsa_core::Warning;
use pyo3::prelude::*;

use crate::data::data;

fn of_who_can(who_can: &irsa_core::trust::WhoCan, show: &mut dyn FnMut(Option<&str>, &Warning)) {
    who_can.warnings.iter().for_each(|warning| show(None, warning));
}

data! {
    /// Who can assume a role.
    WhoCan(irsa_core::trust::WhoCan), warning by of_who_can {
        /// The role.
        role_arn,
        /// By tokens of OIDC providers.
        subjects,
        |
        /// By anything else.
        others,
        /// What an audit says of the role.
        findings,
        /// Why IAM itself would refuse to store the document, in words.
        notes,
        /// What could not be read.
        warnings,
    }
}

data! {
    /// The subjects that one statement of a role lets in.
    TrustedSubjects(irsa_core::trust::TrustedSubjects) {
        /// The `sub` claims: an exact one, or a pattern with `*` and `?`.
        pattern,
        /// The cluster by ARN, or the issuer where no known cluster has it.
        cluster,
        /// `"allow"`, or `"unknown"` where it depends on something.
        decision,
        |
        /// The service behind the issuer, such as `"GitHub Actions"`; None for a cluster, or where it is not known.
        issuer_name,
        /// The audiences of the tokens that get in; `*` for whatever audience the provider takes.
        audiences,
        /// What an unknown one depends on, in words.
        conditions,
        /// Whether the pattern is exactly who is let in, and not more than that.
        exact,
        /// What would make it impossible for them to get in, in words.
        impossible_if,
        /// The service accounts that exist and fit, `NAMESPACE/NAME`; None where the cluster was not read.
        service_accounts,
        /// Those of them whose annotation names this role.
        annotated,
    }
    also {
        /// Those of the pattern that are not let in; `except` in plain data.
        #[getter]
        fn excluded<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            crate::data::Field::field(&self.0.except, py)
        }
    }
}

data! {
    /// A principal that is trusted by other ways than the tokens of an OIDC provider.
    OtherPrincipal(irsa_core::trust::OtherPrincipal) {
        /// `"aws"`, `"service"`, `"federated"`, `"canonical_user"` or `"everyone"`.
        kind,
        /// The principal as it stands in the document.
        principal,
        |
        /// The statement, by its Sid or its number.
        statement,
        /// The actions it is let in by.
        actions,
        /// Whether it is of another account than the role; None where that cannot be told.
        other_account,
        /// Whether conditions limit it.
        conditional,
    }
}
