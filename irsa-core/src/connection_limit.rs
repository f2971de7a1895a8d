//! The bound on the connections of a client.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests are under way at once, and so how many connections are open to each host: IAM, STS, EKS of a region,
/// each API server. Idle connections are closed after half a minute.
///
/// Clones share the bound. Give the same one to everything that a client is made of, so that however many calls are made
/// at once, they open no more than this; the others wait for their turn, which no time limit of a single request counts.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    max: NonZeroUsize,
    turns: Arc<Semaphore>,
}

impl ConnectionLimit {
    /// The bound where none is given: a binding reads up to eight things at once.
    pub const DEFAULT: NonZeroUsize = NonZeroUsize::new(20).unwrap();

    /// At most `max` requests at once.
    pub fn new(max: NonZeroUsize) -> Self {
        // More permits than a semaphore has would be a panic.
        Self { max, turns: Arc::new(Semaphore::new(max.get().min(Semaphore::MAX_PERMITS))) }
    }

    /// The bound.
    pub fn max(&self) -> NonZeroUsize {
        self.max
    }

    /// Waits until fewer requests than the bound are under way. The turn lasts until the permit is dropped.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn clones_share_the_bound() {
        let limit = ConnectionLimit::new(NonZeroUsize::MIN);
        let turn = limit.turn().await;
        let next = limit.clone();
        assert!(next.turn().now_or_never().is_none(), "one request is under way");
        drop(turn);
        assert!(next.turn().now_or_never().is_some());
        assert_eq!(ConnectionLimit::new(NonZeroUsize::MAX).max(), NonZeroUsize::MAX);
    }
}
