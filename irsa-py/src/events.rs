//! Events of the library for the logger of Python: collected per call, and handed to whoever waits for the call.
//!
//! Each call has a log of its own, so that nothing here outlives a call or is shared with a forked process.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use serde_json::{Map, Value};
use tracing::field::{Field as Key, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_core::span::Current;

use crate::data::Field;
use crate::json;

/// Where the targets begin that are passed on: other crates may log what is secret.
const OWN: [&str; 2] = ["irsa_core", "_irsa"];

/// The id of spans outside of calls, of which nothing is kept.
const NOWHERE: u64 = u64::MAX;

tokio::task_local! {
    /// The log of the call that this is a part of.
    static LOG: Arc<Log>;
}

/// One event, as the logger takes it.
pub(crate) struct Event {
    level: u8,
    message: String,
    fields: Map<String, Value>,
}

impl Field for Event {
    fn field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let fields = Value::Object(self.fields.clone());
        Ok((self.level, &self.message, json::to_python(py, &fields)?).into_pyobject(py)?.into_any())
    }
}

/// Collects the events of one call.
pub(crate) struct Log {
    level: LevelFilter,
    send: Box<dyn Fn(Event) + Send + Sync>,
    spans: Mutex<Spans>,
}

#[derive(Default)]
struct Spans {
    open: HashMap<u64, Span>,
    /// Those that are entered, the innermost last.
    entered: Vec<u64>,
}

struct Span {
    metadata: &'static Metadata<'static>,
    parent: Option<u64>,
    fields: Map<String, Value>,
    references: usize,
}

impl Log {
    /// A log of the events that the logger `irsa` takes now; nothing where it takes none.
    ///
    /// # Errors
    /// What asking the logger raises.
    pub(crate) fn open(py: Python<'_>, send: impl Fn(Event) + Send + Sync + 'static) -> PyResult<Option<Arc<Self>>> {
        let level = enabled_level(py)?;
        Ok((level != LevelFilter::OFF).then(|| Arc::new(Self { level, send: Box::new(send), spans: Mutex::default() })))
    }

    /// Runs a call with this log.
    pub(crate) async fn during<T>(log: Option<Arc<Self>>, work: impl Future<Output = T>) -> T {
        match log {
            Some(log) => LOG.scope(log, work).await,
            None => work.await,
        }
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lowest level that the logger `irsa` takes.
fn enabled_level(py: Python<'_>) -> PyResult<LevelFilter> {
    let level: u8 = py.import("irsa._calls")?.call_method0("level")?.extract()?;
    Ok(match level {
        0 => LevelFilter::OFF,
        1..=10 => LevelFilter::DEBUG,
        11..=20 => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    })
}

/// Sends every event of the library to the log of its call.
struct Bridge;

/// Starts passing events on. Does nothing the second time.
pub(crate) fn start() {
    // It fails where it was started before.
    let _ = tracing::subscriber::set_global_default(Bridge);
}

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match OWN.iter().any(|own| metadata.target().starts_with(own)) && *metadata.level() <= Level::DEBUG {
            true => Interest::sometimes(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        LOG.try_with(|log| *metadata.level() <= log.level).unwrap_or_default()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let opened = LOG.try_with(|log| {
            let id = NEXT.fetch_add(1, Ordering::Relaxed);
            let mut spans = log.spans();
            let parent = match attributes.parent() {
                Some(parent) => Some(parent.into_u64()),
                None if attributes.is_contextual() => spans.entered.last().copied(),
                None => None,
            };
            let metadata = attributes.metadata();
            spans.open.insert(id, Span { metadata, parent, fields: fields.values, references: 1 });
            id
        });
        Id::from_u64(opened.unwrap_or(NOWHERE))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        let _ = LOG.try_with(|log| {
            if let Some(span) = log.spans().open.get_mut(&span.into_u64()) {
                span.fields.extend(fields.values);
            }
        });
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        let _ = LOG.try_with(|log| {
            {
                let spans = log.spans();
                let current = || event.is_contextual().then(|| spans.entered.last().copied()).flatten();
                let mut next = event.parent().map(Id::into_u64).or_else(current);
                while let Some(span) = next.and_then(|id| spans.open.get(&id)) {
                    for (name, value) in &span.fields {
                        fields.values.entry(name.as_str()).or_insert_with(|| value.clone());
                    }
                    next = span.parent;
                }
            }
            (log.send)(Event { level, message: fields.message, fields: fields.values });
        });
    }

    fn enter(&self, span: &Id) {
        let _ = LOG.try_with(|log| log.spans().entered.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let _ = LOG.try_with(|log| {
            let mut spans = log.spans();
            if let Some(at) = spans.entered.iter().rposition(|id| *id == span.into_u64()) {
                spans.entered.remove(at);
            }
        });
    }

    fn clone_span(&self, id: &Id) -> Id {
        let _ = LOG.try_with(|log| {
            if let Some(span) = log.spans().open.get_mut(&id.into_u64()) {
                span.references += 1;
            }
        });
        id.clone()
    }

    /// The innermost span: what it is asked for records fields of it.
    fn current_span(&self) -> Current {
        let current = LOG.try_with(|log| {
            let spans = log.spans();
            let id = *spans.entered.last()?;
            Some(Current::new(Id::from_u64(id), spans.open.get(&id)?.metadata))
        });
        current.ok().flatten().unwrap_or_else(Current::none)
    }

    fn try_close(&self, id: Id) -> bool {
        let closed = LOG.try_with(|log| {
            let mut spans = log.spans();
            let Some(span) = spans.open.get_mut(&id.into_u64()) else { return false };
            span.references -= 1;
            let closed = span.references == 0;
            if closed {
                spans.open.remove(&id.into_u64());
            }
            closed
        });
        closed.unwrap_or_default()
    }
}

/// The message of an event and its fields, or the fields of a span.
#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Visit for Fields {
    fn record_debug(&mut self, key: &Key, value: &dyn fmt::Debug) {
        match key.name() {
            "message" => self.message = format!("{value:?}"),
            name => drop(self.values.insert(name.to_owned(), format!("{value:?}").into())),
        }
    }

    fn record_str(&mut self, key: &Key, value: &str) {
        match key.name() {
            "message" => value.clone_into(&mut self.message),
            name => drop(self.values.insert(name.to_owned(), value.into())),
        }
    }

    fn record_bool(&mut self, key: &Key, value: bool) {
        self.values.insert(key.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, key: &Key, value: i64) {
        self.values.insert(key.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, key: &Key, value: u64) {
        self.values.insert(key.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, key: &Key, value: f64) {
        self.values.insert(key.name().to_owned(), value.into());
    }
}
