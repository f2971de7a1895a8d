//! Manifests of the command line, and errors with the places of what they declare.

use std::path::PathBuf;

use irsa_core::manifest::{Declared, Manifests, Source, read_all as read_sources};
use irsa_core::name::ClusterRef;
use irsa_core::{Error, ErrorKind, Request, Result, check_fleet};

use crate::files;
use crate::process::Process;

/// Reads all files, those in all folders, and standard input. `cluster` is that of bindings that name none.
///
/// # Errors
/// `InvalidInput` with file, line and column of what is wrong.
pub(crate) fn read_all(process: &Process, paths: &[PathBuf], cluster: Option<&ClusterRef>) -> Result<Manifests> {
    let source = |path: &PathBuf| match path.as_os_str() == files::STDIN {
        true => Source::Stream { name: files::shown(path), open: Box::new(|| process.stdin.open()) },
        false => Source::Path(path.clone()),
    };
    read_sources(paths.iter().map(source), &process.environment.directory, cluster)
}

/// Refuses requests that contradict each other, naming the places of both.
pub(crate) fn check(requests: &[Request], declared: &[Declared]) -> Result<()> {
    check_fleet(requests).map_err(|error| {
        let kind = error.kind();
        placed(error, declared, kind)
    })
}

/// An error of two requests as one of a kind, with their places; any other as it is.
pub(crate) fn placed(error: Error, declared: &[Declared], kind: ErrorKind) -> Error {
    let place = |which: &str| {
        let (_, at) = error.context().iter().find(|(key, _)| *key == which)?;
        declared.get(at.parse::<usize>().ok()?).map(|declared| declared.place.to_string())
    };
    let (Some(first), Some(second)) = (place("first"), place("second")) else { return error };
    let mut placed = Error::new(kind, format!("{second}: {error} (the other is at {first})"));
    if let Some(cause) = error.causes().into_iter().next() {
        placed = placed.with_cause(cause);
    }
    match error.hint() {
        Some(hint) => placed.with_hint(hint.clone()),
        None => placed,
    }
}
