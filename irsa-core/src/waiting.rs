//! What an operation is waiting for, so that its timeout can name it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

tokio::task_local! {
    static CURRENT: Waiting;
}

/// Describes a wait, as of now.
type Describe = Box<dyn Fn() -> String + Send + Sync>;

/// The waits of one operation that have not ended.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<Waits>>);

#[derive(Default)]
struct Waits {
    next: u64,
    open: BTreeMap<u64, Describe>,
}

/// One wait; it ends when this is dropped.
struct Wait {
    waiting: Waiting,
    id: u64,
}

impl Waiting {
    /// Collects the waits of a future. Those of tasks that it spawns are not seen.
    pub(crate) async fn collect<T>(&self, future: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), future).await
    }

    /// What is waited for now, each once.
    pub(crate) fn descriptions(&self) -> Vec<String> {
        let mut all: Vec<String> = self.waits().open.values().map(|describe| describe()).collect();
        all.sort();
        all.dedup();
        // Several wait for one thing, and one of them knows more about it.
        let known = all.clone();
        all.retain(|one| !known.iter().any(|other| other != one && other.starts_with(one.as_str())));
        all
    }

    fn begin(&self, describe: Describe) -> Wait {
        let mut waits = self.waits();
        let id = waits.next;
        waits.next += 1;
        waits.open.insert(id, describe);
        Wait { waiting: self.clone(), id }
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        // A panic while it was locked leaves it as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waiting.waits().open.remove(&self.id);
    }
}

/// Awaits a future that a timeout of the operation shall name.
#[cfg_attr(not(feature = "kube"), allow(dead_code))]
pub(crate) async fn waiting_for<T>(
    describe: impl Fn() -> String + Send + Sync + 'static,
    future: impl Future<Output = T>,
) -> T {
    let _wait = CURRENT.try_with(|waiting| waiting.begin(Box::new(describe))).ok();
    future.await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_described_while_it_lasts() {
        let waiting = Waiting::default();
        let short = waiting_for(|| "a".to_owned(), tokio::time::sleep(Duration::from_secs(1)));
        let long = waiting_for(|| "a plug-in".to_owned(), tokio::time::sleep(Duration::from_secs(60)));
        let other = waiting_for(|| "b".to_owned(), tokio::time::sleep(Duration::from_secs(60)));
        let mut all = std::pin::pin!(waiting.collect(async { futures::join!(short, long, other) }));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut all).await.is_err());
        assert_eq!(waiting.descriptions(), ["a plug-in", "b"], "the shorter description adds nothing");
        all.await;
        assert!(waiting.descriptions().is_empty());
        // Nobody collects.
        assert_eq!(waiting_for(|| "c".to_owned(), async { 7 }).await, 7);
    }
}
