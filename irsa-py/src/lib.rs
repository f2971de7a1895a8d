//! The Python module of irsa: a thin layer over `irsa-core`.

mod argument;
mod audit;
mod batch;
mod beside;
mod binding;
mod boto;
mod client;
mod credentials;
mod data;
mod ending;
mod error;
mod events;
mod faults;
mod fleet;
mod json;
mod kubernetes;
mod manifest;
mod permissions;
mod process;
mod reach;
mod report;
mod runtime;
mod spelling;
mod trust;
mod who_can;

/// The compiled part of the package `irsa`.
#[pyo3::pymodule]
mod _irsa {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::audit::{Audit, Finding, audit_trust};
    #[pymodule_export]
    use super::binding::Binding;
    #[pymodule_export]
    use super::client::Core;
    #[pymodule_export]
    use super::faults::SandboxFaults;
    #[pymodule_export]
    use super::fleet::{BindingFailure, FleetEntry, FleetReport, Progress};
    #[pymodule_export]
    use super::kubernetes::FakeCluster;
    #[pymodule_export]
    use super::manifest::{Export, Manifest, load_manifest, manifest_schema};
    #[pymodule_export]
    use super::permissions::{Permissions, permissions};
    #[pymodule_export]
    use super::report::{BindingStatus, Issue, Plan, Provider, Report, Step, WarningMessage};
    #[pymodule_export]
    use super::runtime::Call;
    #[pymodule_export]
    use super::trust::{TrustCheck, check_trust};
    #[pymodule_export]
    use super::who_can::{OtherPrincipal, TrustedSubjects, WhoCan};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::events::start();
        let end = wrap_pyfunction!(super::ending::end, module)?;
        module.py().import("atexit")?.call_method1("register", (end,))?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
