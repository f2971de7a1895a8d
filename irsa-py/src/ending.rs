//! The end of the interpreter: it would end our threads with it, in the middle of what they do, so they keep away from it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// Whether the interpreter ends.
static ENDING: AtomicBool = AtomicBool::new(false);
/// How many of our threads are with the interpreter, or wait for it.
static ATTACHING: AtomicUsize = AtomicUsize::new(0);
/// How long its end waits for them.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Does something with the interpreter on a thread of ours, unless it ends: that would end the thread with it, in the middle.
pub(crate) fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            ATTACHING.fetch_sub(1, Ordering::SeqCst);
        }
    }
    ATTACHING.fetch_add(1, Ordering::SeqCst);
    let _counted = Counted;
    if ENDING.load(Ordering::SeqCst) { None } else { Python::try_attach(work) }
}

/// Whether the interpreter is about to end: no thread of ours reaches it any more.
pub(crate) fn is_near() -> bool {
    ENDING.load(Ordering::SeqCst)
}

/// Keeps our threads away from the interpreter, which is about to end.
#[pyfunction]
pub(crate) fn end(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    // Who would come back might find the interpreter gone.
    if ATTACHING.load(Ordering::SeqCst) == 0 {
        return;
    }
    py.detach(|| {
        let deadline = Instant::now() + LAST_WAIT;
        while ATTACHING.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    });
}

/// Of a forked process none of the threads is there that were counted.
pub(crate) fn forget_threads() {
    ATTACHING.store(0, Ordering::SeqCst);
}
