//! Answers that many bindings need and that are asked for once, failures too.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::error::Result;

/// What was answered, by key. Who asks while the first call is under way waits for its answer.
pub(super) struct Memo<K, V>(Mutex<HashMap<K, Arc<OnceCell<Result<V>>>>>);

impl<K: Eq + Hash + Clone, V: Clone> Memo<K, V> {
    /// The answer; `fetch` runs only for the first who wants it.
    pub(super) async fn get_or_fetch(&self, key: &K, fetch: impl Future<Output = Result<V>>) -> Result<V> {
        let answer = {
            // A panic while the map was locked leaves it as it was: there is nothing half-written in it.
            let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match answers.get(key) {
                Some(answer) => Arc::clone(answer),
                None => Arc::clone(answers.entry(key.clone()).or_default()),
            }
        };
        answer.get_or_init(|| fetch).await.clone()
    }
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> fmt::Debug for Memo<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").finish_non_exhaustive()
    }
}
