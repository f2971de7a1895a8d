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
