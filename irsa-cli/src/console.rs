//! What a command shows and asks while it runs. The commands send events; `output` draws them.

use std::convert::Infallible;
use std::pin::Pin;

use irsa_core::FleetEntry;

/// Terminal of a running command.
pub(crate) trait Console {
    /// Shows that the command is waiting, until the future is dropped.
    fn spinner(&self, title: String) -> Pin<Box<dyn Future<Output = Infallible>>>;

    fn show(&mut self, event: &Event);
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Bindings that a prune is about to delete.
    Prune {
        set: String,
        bindings: Vec<Pruned>,
        /// Whether the user is asked to confirm.
        asks: bool,
    },
    /// All bindings are planned; the first write comes next.
    Planned { total: usize },
    /// A binding is done.
    Finished { entry: Box<FleetEntry>, with_cluster: bool, done: usize, total: usize },
    /// The user interrupted the run; the steps under way are finished first.
    Stopping,
}

/// Binding that a prune deletes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pruned {
    /// The binding and the other subjects of its role.
    pub(crate) subjects: Vec<String>,
    pub(crate) role: String,
    /// Whether the binding is still declared, with another role.
    pub(crate) moved: bool,
}
