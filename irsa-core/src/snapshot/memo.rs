//! Answers that many bindings need and that are asked for once, failures too.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::error::Result;

/// What was answered, by question. Who asks while the first call is under way waits for its answer.
pub(super) struct Once<K, V>(Mutex<HashMap<K, Arc<OnceCell<Result<V>>>>>);

impl<K: Eq + Hash + Clone, V: Clone> Once<K, V> {
    /// The answer; `ask` runs only for the first who wants it.
    pub(super) async fn get(&self, question: &K, ask: impl Future<Output = Result<V>>) -> Result<V> {
        let answer = {
            // A panic while the map was locked leaves it as it was: there is nothing half-written in it.
            let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match answers.get(question) {
                Some(answer) => Arc::clone(answer),
                None => Arc::clone(answers.entry(question.clone()).or_default()),
            }
        };
        answer.get_or_init(|| ask).await.clone()
    }
}

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> fmt::Debug for Once<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
