//! The console of a running command: a spinner or a progress bar on a terminal, lines elsewhere, and questions.

use std::convert::Infallible;
use std::pin::Pin;

use super::progress::{Bar, spin};
use super::report::entry_word;
use crate::answer::entry_name;
use crate::console::{Console, Event, Pruned};
use crate::printer::{Printer, plain};

/// Console on the streams of the printer.
pub(crate) struct PrinterConsole<'p, 'w> {
    printer: &'p mut Printer<'w>,
    bar: Bar,
    is_animated: bool,
}

impl<'p, 'w> PrinterConsole<'p, 'w> {
    /// `is_animated`: whether stderr is a terminal that nothing else is written to.
    pub(crate) fn new(printer: &'p mut Printer<'w>, is_animated: bool) -> Self {
        Self { printer, bar: Bar::new(is_animated), is_animated }
    }
}

impl Console for PrinterConsole<'_, '_> {
    fn spinner(&self, title: String) -> Pin<Box<dyn Future<Output = Infallible>>> {
        let is_animated = self.is_animated;
        Box::pin(async move { spin(&title, is_animated).await })
    }

    fn show(&mut self, event: &Event) {
        let printer = &mut *self.printer;
        match event {
            Event::Prune { set, bindings, asks } => {
                let lines: String = bindings.iter().map(pruned).collect();
                let text = format!("no longer declared in applyset {}, to be deleted:\n{lines}", plain(set));
                // Nobody can answer a question about what is not shown.
                match asks {
                    true => printer.message(&format!("{text}Delete them? [y/N] ")),
                    false => printer.status(&text),
                }
            }
            Event::Planned { total } => self.bar.begin(*total),
            Event::Finished { entry, with_cluster, done, total } => {
                let name = entry_name(entry, *with_cluster);
                if self.bar.is_shown() {
                    self.bar.advance(*done, &name);
                } else if let Some(word) = entry_word(entry) {
                    printer.status(&format!("[{done}/{total}] {} {word}\n", plain(&name)));
                }
            }
            Event::Stopping => {
                let text = "stopping after the current steps; press Ctrl-C again to stop immediately\n";
                self.bar.suspend(|| printer.status(text));
            }
        }
    }
}

fn pruned(binding: &Pruned) -> String {
    let subjects = binding.subjects.join(", ");
    plain(&match binding.moved {
        true => format!("  - role {} (former role of {subjects})\n", binding.role),
        false => format!("  - {subjects} (role {})\n", binding.role),
    })
}
