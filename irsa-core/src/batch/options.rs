//! How a fleet is applied: how many at once, how fast, and how it is stopped.

use tokio_util::sync::CancellationToken;

use crate::rate_limit::MIN_WRITES_PER_SECOND;

/// So many bindings are worked on at once, if nothing else is said.
const CONCURRENCY: usize = 8;
/// So many writes go to IAM in a second, if nothing else is said: IAM throttles what is much faster.
const WRITES_PER_SECOND: f64 = 10.0;

/// How a fleet is applied.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetOptions {
    /// How many bindings are worked on at once; 0 counts as 1. By default 8.
    pub concurrency: usize,
    /// How many writes go to IAM in a second; 0 or less is no limit. By default 10.
    pub writes_per_second: f64,
    /// Cancelling it ends the run between two steps: writes that have begun are completed, and no other is begun.
    pub cancellation: CancellationToken,
}

impl FleetOptions {
    /// The default: 8 bindings at once, 10 writes a second.
    pub fn new() -> Self {
        Self { concurrency: CONCURRENCY, writes_per_second: WRITES_PER_SECOND, cancellation: CancellationToken::new() }
    }

    /// Sets [`concurrency`](Self::concurrency).
    #[must_use]
    pub fn with_concurrency(mut self, bindings: usize) -> Self {
        self.concurrency = bindings;
        self
    }

    /// The lowest limit of writes, in writes per second (0.001): a lower one counts as this.
    pub const MIN_WRITES_PER_SECOND: f64 = MIN_WRITES_PER_SECOND;

    /// Sets [`writes_per_second`](Self::writes_per_second).
    #[must_use]
    pub fn with_writes_per_second(mut self, writes: f64) -> Self {
        self.writes_per_second = writes;
        self
    }

    /// Sets [`cancellation`](Self::cancellation).
    #[must_use]
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self::new()
    }
}
