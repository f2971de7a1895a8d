//! One call from Python: how it runs beside the interpreter, is waited for or awaited, and is cut off.

use std::future::Future;
use std::pin::Pin;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use irsa_core::{Error, ErrorKind, Warning, WarningId};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};

use crate::data::Field;
use crate::ending::{self, attached};
use crate::error::{Failure, Result};
use crate::events::{Event, Log};
use crate::spelling::Keywords;

/// How long Ctrl-C may go unseen.
const PATIENCE: Duration = Duration::from_millis(50);

/// What a call gives.
pub(crate) type Answer = irsa_core::Result<Box<dyn Field + Send>>;

type Progress = Box<dyn Field + Send>;

/// What a call reports: events for the logger, how far it is, and at last its answer.
enum Told {
    Event(Event),
    Progress(Progress),
    End(Answer),
}

/// The kind of a report and its value, for Python: `("event", ...)`, `("progress", ...)` or `("end", answer)`.
type Reported<'py> = (&'static str, Bound<'py, PyAny>);

impl Told {
    /// # Errors
    /// What the call failed with.
    fn reported(self, py: Python<'_>) -> PyResult<Reported<'_>> {
        Ok(match self {
            Self::Event(event) => ("event", event.field(py)?),
            Self::Progress(progress) => ("progress", progress.field(py)?),
            Self::End(answer) => ("end", given(py, answer)?),
        })
    }
}

/// Tells how far a call is.
#[derive(Clone)]
pub(crate) struct Teller(Arc<dyn Fn(Progress) + Send + Sync>);

impl Teller {
    pub(crate) fn tell(&self, progress: impl Field + Send + 'static) {
        (self.0)(Box::new(progress));
    }
}

/// The runtime of this process. Locked only while attached, so that a fork never finds it locked by another thread.
static RUNTIME: Mutex<Option<(u32, &'static Around)>> = Mutex::new(None);

/// So many calls have threads of their own at once: each needs further ones, of which the runtime has 512.
const OWN_THREADS: usize = 64;

/// What all calls of this process share.
struct Around {
    runtime: Runtime,
    own_threads: Semaphore,
}

tokio::task_local! {
    /// The context variables of whoever makes the call.
    static CONTEXT: Arc<Py<PyAny>>;
}

/// The context variables of whoever makes the call that this is a part of.
pub(crate) fn context() -> Option<Arc<Py<PyAny>>> {
    CONTEXT.try_with(Arc::clone).ok()
}

fn copy_context(py: Python<'_>) -> PyResult<Py<PyAny>> {
    Ok(py.import("contextvars")?.call_method0("copy_context")?.unbind())
}

/// The runtime; a forked process makes its own, since the threads of the old one are not there.
fn runtime(attached: Python<'_>) -> Result<&'static Runtime> {
    Ok(&around(attached)?.runtime)
}

fn around(_attached: Python<'_>) -> Result<&'static Around> {
    let mut known = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    match *known {
        Some((process, around)) if process == process::id() => Ok(around),
        _ => {
            let made = Builder::new_multi_thread().worker_threads(2).thread_name("irsa").enable_all().build();
            let made = made.map_err(|error| Error::new(ErrorKind::Unexpected, "cannot start").with_source(error))?;
            // Never ended: that would wait for threads which a forked process does not have.
            let own_threads = Semaphore::new(OWN_THREADS);
            let around: &'static Around = Box::leak(Box::new(Around { runtime: made, own_threads }));
            *known = Some((process::id(), around));
            ending::forget_threads();
            Ok(around)
        }
    }
}

/// Whether threads have room for our work, which is made for those of the runtime with their 2 MiB.
fn has_room(py: Python<'_>) -> PyResult<bool> {
    const ROOM: usize = 1 << 20;
    let size: usize = py.import("_thread")?.call_method0("stack_size")?.extract()?;
    Ok(size == 0 || size >= ROOM)
}

/// Waits for something beside the interpreter; nothing where it is time to look for signals.
fn patiently<T: Send>(py: Python<'_>, runtime: &Runtime, work: impl Future<Output = T> + Send) -> Option<T> {
    py.detach(|| {
        runtime.block_on(async {
            tokio::select! {
                biased;
                done = work => Some(done),
                () = tokio::time::sleep(PATIENCE) => None,
            }
        })
    })
}

fn without_answer() -> Error {
    Error::new(ErrorKind::Unexpected, "the call ended without an answer")
}

/// What a call needs of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Next to nothing: it is done in less time than handing it to another thread takes.
    Nothing,
    /// To wait for others, as for the network.
    Waiting,
    /// A thread of its own: it computes for long, or waits for a file.
    Thread,
}

/// Begins the work of a call.
type Begin = Box<dyn FnOnce(Teller) -> Work + Send>;

/// The work of a call.
type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A call that was begun by a process, and what comes of it.
type UnderWay = (u32, Cut, UnboundedReceiver<Told>);

/// A call that is not begun yet.
#[pyclass(frozen, module = "irsa._irsa")]
pub(crate) struct Call {
    work: Mutex<Option<Begin>>,
    under_way: Mutex<Option<UnderWay>>,
    needs: Needs,
    /// Is told how far the call is, on the thread of the event loop.
    progress: Option<Py<PyAny>>,
}

impl Call {
    /// A call; `progress` is told how far it is, where there is one.
    pub(crate) fn new<T, F>(
        needs: Needs,
        progress: Option<Py<PyAny>>,
        work: impl FnOnce(Teller) -> F + Send + 'static,
    ) -> Self
    where
        T: Field + Send + 'static,
        F: Future<Output = irsa_core::Result<T>> + Send + 'static,
    {
        let begin = |teller: Teller| -> Work {
            let work = work(teller);
            Box::pin(async {
                let answer = work.await;
                match &answer {
                    Ok(value) => value.each_warning(&mut log_warning),
                    Err(error) => error.report().into_iter().for_each(|report| report.each_warning(&mut log_warning)),
                }
                answer.map(|value| Box::new(value) as Box<dyn Field + Send>)
            })
        };
        Self { work: Mutex::new(Some(Box::new(begin))), under_way: Mutex::default(), needs, progress }
    }

    fn take(&self) -> PyResult<Begin> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.ok_or_else(|| PyRuntimeError::new_err("a call is made once"))
    }

    /// Begins the work on a thread of the runtime; what it tells arrives at the other end, unless it is cut off before.
    fn begin(&self, py: Python<'_>, context: Py<PyAny>) -> PyResult<UnderWay> {
        let (Around { runtime, own_threads }, work) = (around(py)?, self.take()?);
        let (sender, told) = unbounded_channel();
        let (cut, cut_off) = oneshot::channel();
        let (progress, events) = (sender.clone(), sender.clone());
        // Nobody listens after a cut.
        let log = Log::open(py, move |event| drop(events.send(Told::Event(event))))?;
        let work = work(Teller(Arc::new(move |told| drop(progress.send(Told::Progress(told))))));
        let work = Log::during(log, work);
        let work = async {
            tokio::select! {
                biased;
                _ = cut_off => None,
                answer = work => Some(answer),
            }
        };
        let work = CONTEXT.scope(Arc::new(context), work);
        let ended = match self.needs {
            Needs::Nothing | Needs::Waiting => runtime.spawn(work),
            Needs::Thread => runtime.spawn(async move {
                // It is never closed.
                let _permit = own_threads.acquire().await;
                let ended = runtime.spawn_blocking(move || runtime.block_on(work)).await;
                ended.unwrap_or_else(|error| Some(Err(without_answer().with_source(error))))
            }),
        };
        runtime.spawn(async move {
            let answer = ended.await.unwrap_or_else(|error| Some(Err(without_answer().with_source(error))));
            if let Some(answer) = answer {
                drop(sender.send(Told::End(answer)));
            }
        });
        Ok((process::id(), Cut(Mutex::new(Some(cut))), told))
    }

    /// Does the work on this very thread.
    fn here(&self, py: Python<'_>, log: Option<Arc<Log>>) -> PyResult<Answer> {
        let runtime = runtime(py)?;
        // Where the work is cut off, it is dropped in its runtime.
        let _entered = runtime.enter();
        let mut work = Box::pin(Log::during(log, self.take()?(Teller(Arc::new(drop)))));
        loop {
            let answer = patiently(py, runtime, &mut work);
            match answer {
                Some(answer) => return Ok(answer),
                None => py.check_signals()?,
            }
        }
    }
}

impl Call {
    /// Makes the call and waits for its end; other threads go on, and Ctrl-C cuts it off. Only for calls of which nobody
    /// wants to know how far they are: what they report is dropped.
    pub(crate) fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loop {
            match self.step(py) {
                Ok((kind, _)) if kind != "end" => {}
                ended => {
                    self.cut();
                    return ended.map(|(_, answer)| answer);
                }
            }
        }
    }
}

#[pymethods]
impl Call {
    /// Begins the call, or goes on with it, up to its next report. No Python code is called from here: at the end of the
    /// interpreter a thread that comes back to it is ended where it stands.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Reported<'py>> {
        let runtime = runtime(py)?;
        let known = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (process, cut, mut told) = match known {
            Some(known) => known,
            None if self.needs == Needs::Nothing && has_room(py)? => {
                let (sender, told) = unbounded_channel();
                let events = sender.clone();
                let log = Log::open(py, move |event| drop(events.send(Told::Event(event))))?;
                let is_logged = log.is_some();
                let end = Told::End(self.here(py, log)?);
                if !is_logged {
                    return end.reported(py);
                }
                // Its events come first.
                drop(sender.send(end));
                (process::id(), Cut(Mutex::default()), told)
            }
            None => self.begin(py, copy_context(py)?)?,
        };
        if process != process::id() {
            // What is under way is so in the process that began it; dropping it here could wait for its threads.
            std::mem::forget((cut, told));
            return Err(PyRuntimeError::new_err(
                "this process was forked during the call, which goes on in its parent",
            ));
        }
        loop {
            let next = patiently(py, runtime, told.recv());
            match next {
                Some(Some(last @ Told::End(_))) => return last.reported(py),
                Some(Some(report)) => {
                    *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some((process, cut, told));
                    return report.reported(py);
                }
                Some(None) => {
                    return Err(Failure::from(without_answer()).into());
                }
                None => py.check_signals()?,
            }
        }
    }

    /// What is told how far the call is.
    #[getter]
    fn progress(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.progress.as_ref().map(|progress| progress.clone_ref(py))
    }

    /// Cuts the call off, if it has not ended.
    fn cut(&self) {
        drop(self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Makes the call; gives a future of the running event loop. Cancelling that cuts the call off.
    fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = py.import("asyncio")?.call_method0("get_running_loop")?;
        let future = event_loop.call_method0("create_future")?;
        if ending::is_near() {
            return Err(PyRuntimeError::new_err("the interpreter is ending: nothing can be awaited any more"));
        }
        let (home, awaited) = (event_loop.unbind(), future.clone().unbind());
        let progress = self.progress.as_ref().map(|callable| callable.clone_ref(py));
        let hand_over = py.import("irsa._calls")?.getattr("hand_over")?.unbind();
        // Progress is told in the context of whoever awaits it.
        let (context, in_context) = (copy_context(py)?, PyDict::new(py));
        in_context.set_item("context", &context)?;
        let in_context = in_context.unbind();
        let deliver = move |told| {
            // Where the loop is closed, nobody waits any more.
            let _ = attached(|py| {
                let call = (&hand_over, Delivery(Mutex::new(Some(told))), &awaited, &progress);
                home.call_method(py, "call_soon_threadsafe", call, Some(in_context.bind(py))).map(|_| ())
            });
        };
        let deliver = Arc::new(deliver);
        let (_, cut, mut told) = self.begin(py, context)?;
        runtime(py)?.spawn(async move {
            while let Some(told) = told.recv().await {
                let deliver = Arc::clone(&deliver);
                // A thread of its own for as long as it waits for the interpreter.
                if tokio::task::spawn_blocking(move || deliver(told)).await.is_err() {
                    return;
                }
            }
        });
        future.call_method1("add_done_callback", (cut,))?;
        Ok(future)
    }
}

/// What a call tells, for the thread of the event loop to take: what is done with it there is Python's alone, for a thread
/// that ends with the interpreter ends where it stands.
#[pyclass(frozen, module = "irsa._irsa")]
struct Delivery(Mutex<Option<Told>>);

#[pymethods]
impl Delivery {
    /// The kind of the report and its value. Raises what the call failed with.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Reported<'py>> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        told.ok_or_else(|| PyRuntimeError::new_err("what a call tells is taken once"))?.reported(py)
    }
}

/// Cuts a call off, when it is called or dropped; after the call's end it does nothing.
#[pyclass(frozen, module = "irsa._irsa")]
struct Cut(Mutex<Option<oneshot::Sender<()>>>);

#[pymethods]
impl Cut {
    fn __call__(&self, _future: &Bound<'_, PyAny>) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn log_warning(binding: Option<&str>, warning: &Warning) {
    // Those of an API server the library logs itself, when they come.
    if warning.id != WarningId::ApiServer {
        let hint = warning.hint.as_ref().and_then(|hint| hint.spelt(&Keywords)).map(|hint| hint.to_string());
        tracing::warn!(id = warning.id.as_str(), binding, hint, "{}", warning.message);
    }
}

fn given(py: Python<'_>, answer: Answer) -> PyResult<Bound<'_, PyAny>> {
    answer.map_err(Failure::from)?.field(py)
}
