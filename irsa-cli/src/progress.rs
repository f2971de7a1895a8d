//! The sign of life of a long wait: a spinner on a terminal, after a second, gone at the end.

use std::convert::Infallible;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// So long a wait needs no sign.
const PATIENCE: Duration = Duration::from_secs(1);
const FRAME: Duration = Duration::from_millis(120);

/// Clears the line also where the wait is cut off.
struct Spinner(ProgressBar);

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows that something is going on, until it is dropped.
pub(crate) async fn show(message: &str, wanted: bool) -> Infallible {
    if !wanted {
        return std::future::pending().await;
    }
    tokio::time::sleep(PATIENCE).await;
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_message(message.to_owned())
        .with_elapsed(PATIENCE);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    let spinner = Spinner(bar);
    loop {
        spinner.0.tick();
        tokio::time::sleep(FRAME).await;
    }
}

/// How far the work on many bindings is: a bar on a terminal, nothing elsewhere.
pub(crate) struct Bar {
    wanted: bool,
    bar: Option<Spinner>,
}

impl Bar {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, bar: None }
    }

    /// Shows it, with so many bindings to do.
    pub(crate) fn begin(&mut self, total: usize) {
        if !self.wanted {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(FRAME);
        self.bar = Some(Spinner(bar));
    }

    pub(crate) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// So many bindings are done, this one last.
    pub(crate) fn to(&self, done: usize, binding: &str) {
        if let Some(bar) = &self.bar {
            bar.0.set_message(crate::printer::plain(binding));
            bar.0.set_position(done as u64);
        }
    }

    /// Lets something be said without the bar in its way.
    pub(crate) fn aside(&self, say: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.0.suspend(say),
            None => say(),
        }
    }
}
