//! How a fleet is applied: how many at once, how fast, and how it is stopped.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// So many bindings are worked on at once, if nothing else is said.
const CONCURRENCY: usize = 8;
/// So many writes go to IAM in a second, if nothing else is said: IAM throttles what is much faster.
const WRITES_PER_SECOND: f64 = 10.0;

/// Stops work between two steps: writes that have begun are completed, and no other is begun.
///
/// Clones are the same switch. Once stopped it stays so.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    stopped: AtomicBool,
    changed: Notify,
}

impl Stop {
    /// A switch that stops nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the work.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// Whether the work is to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// Waits until the work is to stop.
    pub async fn stopped(&self) {
        let mut changed = pin!(self.0.changed.notified());
        // Enrolled before the switch is read, so that no change in between is missed.
        changed.as_mut().enable();
        if !self.is_stopped() {
            changed.await;
        }
    }
}

/// How a fleet is applied.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetOptions {
    /// How many bindings are worked on at once; 0 counts as 1. By default 8.
    pub concurrency: usize,
    /// How many writes go to IAM in a second; 0 or less is no limit. By default 10.
    pub writes_per_second: f64,
    /// Stops the work between two steps.
    pub stop: Stop,
}

impl FleetOptions {
    /// The default: 8 bindings at once, 10 writes a second.
    pub fn new() -> Self {
        Self { concurrency: CONCURRENCY, writes_per_second: WRITES_PER_SECOND, stop: Stop::default() }
    }

    /// Sets [`concurrency`](Self::concurrency).
    #[must_use]
    pub fn with_concurrency(mut self, bindings: usize) -> Self {
        self.concurrency = bindings;
        self
    }

    /// The slowest limit of writes, in writes per second: what is slower is as good as a standstill, and taken for this.
    pub const SLOWEST: f64 = 0.001;

    /// Sets [`writes_per_second`](Self::writes_per_second).
    #[must_use]
    pub fn with_writes_per_second(mut self, writes: f64) -> Self {
        self.writes_per_second = writes;
        self
    }

    /// Sets [`stop`](Self::stop).
    #[must_use]
    pub fn with_stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self::new()
    }
}
