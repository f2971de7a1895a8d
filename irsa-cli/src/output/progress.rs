//! Spinner and progress bar on a terminal.

use std::convert::Infallible;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Waits shorter than this show no spinner.
const SPINNER_DELAY: Duration = Duration::from_secs(1);
const FRAME_INTERVAL: Duration = Duration::from_millis(120);

/// Clears the line when dropped, so also when the wait is cancelled.
struct Spinner(ProgressBar);

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows a spinner until it is dropped.
pub(super) async fn spin(message: &str, is_animated: bool) -> Infallible {
    if !is_animated {
        return std::future::pending().await;
    }
    tokio::time::sleep(SPINNER_DELAY).await;
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_message(message.to_owned())
        .with_elapsed(SPINNER_DELAY);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    let spinner = Spinner(bar);
    loop {
        spinner.0.tick();
        tokio::time::sleep(FRAME_INTERVAL).await;
    }
}

/// Progress of many bindings: a bar on a terminal, nothing elsewhere.
pub(super) struct Bar {
    is_animated: bool,
    bar: Option<Spinner>,
}

impl Bar {
    pub(super) fn new(is_animated: bool) -> Self {
        Self { is_animated, bar: None }
    }

    pub(super) fn begin(&mut self, total: usize) {
        if !self.is_animated {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(FRAME_INTERVAL);
        self.bar = Some(Spinner(bar));
    }

    pub(super) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows the number of bindings done, and the last one.
    pub(super) fn advance(&self, done: usize, binding: &str) {
        if let Some(bar) = &self.bar {
            bar.0.set_message(crate::printer::plain(binding));
            bar.0.set_position(done as u64);
        }
    }

    /// Prints something above the bar.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.0.suspend(print),
            None => print(),
        }
    }
}
