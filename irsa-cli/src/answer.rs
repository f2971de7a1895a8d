//! Results of the commands: plain values, which `output` prints and `exit` turns into an exit code.

use irsa_core::name::{ClusterRef, RoleArn};
use irsa_core::trust::{Audit, Severity, TrustCheck, WebIdentityCaller, WhoCan};
use irsa_core::{
    BindingStatus, Error, ErrorKind, Export, FleetEntry, FleetReport, IrsaBinding, Permissions, ProviderStatus, Report,
    Warning,
};
use serde_json::Value;

use crate::args::Mode;
use crate::source_map::AuditedFile;

/// Result of a command, with everything that its output and its exit code depend on.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) purpose: Purpose,
    /// Warnings about the target that the answer does not hold itself.
    pub(crate) warnings: Vec<Warning>,
    pub(crate) result: Result<Answer, Failure>,
    /// Whether the user interrupted the command; it may have been done all the same.
    pub(crate) interrupted: bool,
}

impl Outcome {
    pub(crate) fn new(purpose: Purpose, result: Result<Answer, Failure>) -> Self {
        Self { purpose, warnings: Vec::new(), result, interrupted: false }
    }

    pub(crate) fn answer(answer: Answer) -> Self {
        Self::new(Purpose::Action, Ok(answer))
    }

    /// Outcome of a command that was refused from its input alone.
    pub(crate) fn refused(error: Error) -> Self {
        Self::new(Purpose::Action, Err(Failure::Refused(error)))
    }
}

/// How the caller of a command uses its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The command changes or shows something.
    #[default]
    Action,
    /// The command decides between allow and deny; exit code 1 means deny and nothing else.
    Decision,
    /// The command fails on findings; exit code 1 means findings and nothing else.
    Gate,
    /// The command replaces gen3's script, whose callers read only names from stdout.
    Gen3Script,
}

/// Result of a command that succeeded.
#[derive(Debug)]
pub(crate) enum Answer {
    Report(ReportAnswer),
    Binding(Box<BindingStatus>),
    Bindings {
        bindings: Vec<BindingStatus>,
        cluster: ClusterRef,
    },
    Export(Export),
    Provider(ProviderStatus),
    Batch(BatchAnswer),
    TrustCheck(Box<TrustCheckAnswer>),
    WhoCan(Box<WhoCan>),
    Audit(Box<AuditAnswer>),
    Permissions(Box<Permissions>),
    /// JSON Schema of the manifest.
    Schema(Value),
    /// Completion script.
    Script(String),
}

/// Reason why a command has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Refused from the input alone; nothing was called.
    Refused(Error),
    /// Failed; the error holds the report of what was done before.
    Failed(Error),
    /// Interrupted by the user.
    Interrupted {
        report: Option<Box<Report>>,
        /// Whether a part of the work may have been done.
        writes: bool,
    },
}

impl Failure {
    /// Failure before the command made any call of its own.
    pub(crate) fn before_any_call(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidInput => Self::Refused(error),
            _ => Self::after_a_call(error),
        }
    }

    /// Failure of a command that had made calls.
    pub(crate) fn after_a_call(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Interrupted => Self::Interrupted { report: error.report().cloned().map(Box::new), writes: true },
            _ => Self::Failed(error),
        }
    }
}

/// Report of a command for one binding or provider.
#[derive(Debug)]
pub(crate) struct ReportAnswer {
    pub(crate) report: Report,
    pub(crate) style: ReportStyle,
    pub(crate) mode: Mode,
    /// The binding, if it was written and its pods may need a restart.
    pub(crate) written: Option<Box<IrsaBinding>>,
}

/// Kind of command that a report comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportStyle {
    /// Declares a whole binding, so that undeclared policies and subjects are worth a line.
    Declare,
    /// Changes only what is named.
    Change,
    Delete,
    /// Any command that failed halfway.
    Failed,
}

/// Result of `plan` and `apply`.
#[derive(Debug)]
pub(crate) struct BatchAnswer {
    pub(crate) report: FleetReport,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) mode: Mode,
    /// Whether the user stopped the run before its end.
    pub(crate) stopped: bool,
}

impl BatchAnswer {
    pub(crate) fn has_several_clusters(&self) -> bool {
        has_several_clusters(self.report.entries.iter().map(|entry| &entry.cluster))
    }
}

/// Decision of `trust check`, and the token that it is about.
#[derive(Clone, Debug)]
pub(crate) struct TrustCheckAnswer {
    pub(crate) caller: WebIdentityCaller,
    /// The OIDC provider as trust policies name it.
    pub(crate) provider: String,
    pub(crate) role: Option<RoleArn>,
    pub(crate) check: TrustCheck,
}

/// Result of `trust audit`.
#[derive(Debug)]
pub(crate) struct AuditAnswer {
    pub(crate) audit: Audit,
    /// The files that were audited.
    pub(crate) files: Vec<AuditedFile>,
    /// Why some of the files were not audited.
    pub(crate) unread: Option<Error>,
    pub(crate) options: AuditOptions,
}

/// Options of an audit that concern its result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AuditOptions {
    pub(crate) fail_on: Option<Severity>,
    pub(crate) show_fixes: bool,
}

/// Whether bindings need the names of their clusters to be distinguished.
pub(crate) fn has_several_clusters<'a>(mut clusters: impl Iterator<Item = &'a ClusterRef>) -> bool {
    let first = clusters.next();
    clusters.any(|cluster| Some(cluster) != first)
}

/// Name of a batch entry, as [`binding_name`] gives it.
pub(crate) fn entry_name(entry: &FleetEntry, with_cluster: bool) -> String {
    binding_name(&entry.cluster, &entry.binding, with_cluster)
}

/// Name of a binding; with its cluster in the form of subjects.
pub(crate) fn binding_name(cluster: &ClusterRef, binding: &str, with_cluster: bool) -> String {
    if with_cluster { format!("{cluster}:{binding}") } else { binding.to_owned() }
}
