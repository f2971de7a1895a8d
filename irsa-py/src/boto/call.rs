//! One call of a method of a boto3 client: its thread, its errors, its pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use irsa_core::Result;
use irsa_core::backend::{AwsCall, MAX_PAGES};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::Boto3Client;
use super::failed::Failed;
use crate::beside::beside;
use crate::json;

/// How many methods run at once: as many as botocore keeps connections for (`botocore.config.Config`,
/// `max_pool_connections`).
pub(crate) const AT_ONCE: usize = 10;

/// The most entries of a page that IAM takes (IAM API reference, `MaxItems`).
const PAGE: u32 = 1000;

/// Keywords of a method, in JSON.
pub(super) type Keywords = Map<String, Value>;

/// The methods that run: bounded, also where none of them ever returns.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    permits: Arc<Semaphore>,
    running: Arc<Mutex<Running>>,
}

/// By number, in the order of their begin.
#[derive(Debug, Default)]
struct Running {
    begun: u64,
    methods: BTreeMap<u64, String>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)), running: Arc::default() }
    }
}

impl Calls {
    /// The method that has run for longest.
    pub(super) fn running(&self) -> Option<String> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).methods.values().next().cloned()
    }

    fn begin(&self, method: String) -> Begun {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.begun += 1;
        let number = running.begun;
        running.methods.insert(number, method);
        Begun { number, running: Arc::clone(&self.running) }
    }
}

/// A method that runs, until this is dropped.
struct Begun {
    number: u64,
    running: Arc<Mutex<Running>>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).methods.remove(&self.number);
    }
}

/// A method of a client, and the action that it makes.
pub(super) struct Method<'a> {
    pub(super) client: &'a Boto3Client,
    pub(super) name: &'static str,
    pub(super) call: AwsCall<'a>,
    pub(super) calls: &'a Calls,
}

impl Method<'_> {
    /// Calls it.
    pub(super) async fn send<T: DeserializeOwned>(&self, keywords: Keywords) -> Result<T> {
        let answer = self.answer(keywords, json::from_answer).await?;
        if !answer.is_object() {
            return Err(self.call.malformed(format!("{} must answer with a dict", self.place())));
        }
        serde_json::from_value(answer).map_err(|error| self.call.malformed(format!("{}: {error}", self.place())))
    }

    /// Calls it; what it answers does not matter.
    pub(super) async fn done(&self, keywords: Keywords) -> Result<()> {
        self.answer(keywords, |_, _| Ok(())).await
    }

    /// Calls it; what the service says is absent, with this code, is `None`.
    pub(super) async fn find<T: DeserializeOwned>(&self, keywords: Keywords, absent: &str) -> Result<Option<T>> {
        match self.send(keywords).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.code().is_some_and(|code| code == absent) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Calls it once a page, and gives the entries of all; `entries` is their key.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        keywords: Keywords,
        entries: &str,
        absent: Option<&str>,
    ) -> Result<Option<Vec<T>>> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut keywords = keywords.clone();
            keywords.insert("MaxItems".to_owned(), PAGE.into());
            if let Some(marker) = &marker {
                keywords.insert("Marker".to_owned(), marker.as_str().into());
            }
            let Some(mut page) = self.find::<Keywords>(keywords, absent.unwrap_or_default()).await? else {
                return Ok(None);
            };
            let found = page.remove(entries).unwrap_or_else(|| Value::Array(Vec::new()));
            let found: Vec<T> = serde_json::from_value(found)
                .map_err(|error| self.call.malformed(format!("{}[{entries:?}]: {error}", self.place())))?;
            all.extend(found);
            if page.get("IsTruncated") != Some(&Value::Bool(true)) {
                return Ok(Some(all));
            }
            let next = page.get("Marker").and_then(Value::as_str).map(str::to_owned);
            if next.is_none() || next == marker {
                return Err(self.call.malformed("it says that there are more pages, but not where"));
            }
            marker = next;
        }
        Err(self.call.malformed(format!("it has more than {MAX_PAGES} pages")))
    }

    /// What it is called as in errors.
    fn place(&self) -> String {
        format!("{}.{}", self.client.argument, self.name)
    }

    /// Calls it; `read` makes of its answer what is wanted, and is told what errors call it.
    async fn answer<T: Send + 'static>(
        &self,
        keywords: Keywords,
        read: impl FnOnce(&str, &Bound<'_, PyAny>) -> crate::error::Result<T> + Send + 'static,
    ) -> Result<T> {
        // Held until the method returns, also after a deadline.
        let permit = Arc::clone(&self.calls.permits).acquire_owned().await;
        let kept = (permit, self.calls.begin(self.place()));
        let (client, name, place) = (Arc::clone(&self.client.client), self.name, format!("{}()", self.place()));
        let function = move |py: Python<'_>| {
            let arguments = PyDict::new(py);
            for (key, value) in &keywords {
                arguments.set_item(key, json::to_python(py, value)?)?;
            }
            Ok((client.getattr(py, name)?, arguments.unbind()))
        };
        let taken = move |result: PyResult<Bound<'_, PyAny>>| match result {
            Ok(answer) => read(&place, &answer).map_err(|error| Failed::misshapen(error.into())),
            Err(error) => Err(Failed::raised(error)),
        };
        let answer = beside(function, taken, kept).await.unwrap_or_else(|error| Err(Failed::raised(error)));
        let answer = answer.map_err(|failed| failed.error(&self.call, &self.place()));
        let (method, code) = (self.place(), answer.as_ref().err().and_then(|error| error.code()));
        tracing::debug!(method, code, "{}", if answer.is_ok() { "answered" } else { "failed" });
        answer
    }
}
