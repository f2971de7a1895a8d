//! Manifests: found in files and folders, read, and every binding with the place where it stands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use irsa_core::manifest::{Declared, read};
use irsa_core::name::{ClusterRef, Region};
use irsa_core::{Error, ErrorKind, Request, Result, check_fleet};

use crate::environment::Environment;
use crate::inputs;

/// The most bytes of one manifest: that of some 100,000 bindings.
const LONGEST: u64 = 64 * 1024 * 1024;
/// How the files of a folder end.
const ENDS: [&str; 3] = ["yaml", "yml", "json"];

/// What all files declare together.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Manifests {
    /// The bindings, in the order of the files.
    pub bindings: Vec<Declared>,
    /// What cannot be honoured, each with its place.
    pub ignored: Vec<String>,
    /// The region of the clusters, where a file names one.
    pub region: Option<Region>,
}

/// Reads all files, and those in all folders. `cluster` is that of bindings that name none.
///
/// # Errors
/// `InvalidInput` with file, line and column of what is wrong.
pub fn read_all(environment: &Environment, paths: &[PathBuf], cluster: Option<&ClusterRef>) -> Result<Manifests> {
    let mut all = Manifests::default();
    for path in files(environment, paths)? {
        let text = inputs::document(environment, &path, LONGEST)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let file = |inside: &str| inputs::text(environment, &folder.join(inside));
        let name = inputs::shown(&path);
        let manifest = read(&name, &text, cluster, &file)?;
        if let (Some(one), Some(other)) = (&all.region, &manifest.region)
            && one != other
        {
            let what = format!("{name} is for region {other}, another file for {one}");
            return Err(Error::new(ErrorKind::InvalidInput, what).with_hint("apply them one after the other"));
        }
        all.region = all.region.or(manifest.region);
        all.bindings.extend(manifest.bindings);
        all.ignored.extend(manifest.ignored);
    }
    Ok(all)
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

/// Files, and those of folders in the order of their names; each once.
fn files(environment: &Environment, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let inside = match environment.path(path).is_dir() {
            true => in_folder(environment, path)?,
            false => vec![path.clone()],
        };
        for file in inside {
            // One that cannot be found is an error when it is read.
            let real = environment.path(&file).canonicalize().unwrap_or_else(|_| file.clone());
            if seen.insert(real) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// The manifests of a folder, without those of folders in it: there stand the files that manifests name.
fn in_folder(environment: &Environment, folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::InvalidInput, format!("cannot read folder {}", folder.display()))
            .with_cause(error.to_string())
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(environment.path(folder)).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let file = folder.join(&name);
        let fits = |end: &str| file.extension().is_some_and(|own| own.eq_ignore_ascii_case(end));
        if ENDS.iter().any(|end| fits(end)) && !environment.path(&file).is_dir() {
            files.push(file);
        }
    }
    if files.is_empty() {
        let what = format!("{} holds no *.yaml, *.yml or *.json file", folder.display());
        return Err(Error::new(ErrorKind::InvalidInput, what).with_hint("name a manifest, or a folder of them"));
    }
    files.sort();
    Ok(files)
}
