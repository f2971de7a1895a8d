//! Reads manifests, and adds their locations to errors.

use std::path::PathBuf;

use irsa_core::manifest::{Declared, Manifests, Source, read_all as read_sources};
use irsa_core::name::ClusterRef;
use irsa_core::{Error, ErrorKind, Request, Result, check_fleet};

use crate::files;
use crate::process::Process;

/// Reads files, directories and standard input. `cluster` is the default for bindings that name none.
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

/// Refuses conflicting requests, with the locations of both.
pub(crate) fn check(requests: &[Request], declared: &[Declared]) -> Result<()> {
    check_fleet(requests).map_err(|error| {
        let kind = error.kind();
        located(error, declared, kind)
    })
}

/// Gives an error about two requests this kind and their locations; returns any other error as it is.
pub(crate) fn located(error: Error, declared: &[Declared], kind: ErrorKind) -> Error {
    let location = |which: &str| {
        let (_, at) = error.context().iter().find(|(key, _)| *key == which)?;
        declared.get(at.parse::<usize>().ok()?).map(|declared| declared.place.to_string())
    };
    let (Some(first), Some(second)) = (location("first"), location("second")) else { return error };
    let mut located = Error::new(kind, format!("{second}: {error} (see also {first})"));
    if let Some(cause) = error.causes().into_iter().next() {
        located = located.with_cause(cause);
    }
    match error.hint() {
        Some(hint) => located.with_hint(hint.clone()),
        None => located,
    }
}
