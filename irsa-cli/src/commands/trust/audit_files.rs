//! Finds and reads the files of an offline audit.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use irsa_core::connect::Environment;
use irsa_core::trust::{AuditedRole, RoleDocuments, roles_of_text};
use irsa_core::{Error, ErrorKind, Result, Warning};

use crate::files;
use crate::process::Process;
use crate::source_map::AuditedFile;

/// Size limit of a file in bytes: enough for an account of 50,000 roles with long policies.
pub(super) const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Number of unreadable files that an error lists.
const MAX_LISTED: usize = 10;

/// Content of the files.
#[derive(Debug)]
pub(crate) struct Files {
    /// The roles; an unreadable one is kept, to be reported as a finding.
    pub(crate) roles: Vec<AuditedRole>,
    /// The files that were read.
    pub(crate) files: Vec<AuditedFile>,
    /// Why some files could not be audited.
    pub(crate) unread: Option<Error>,
    /// Warning about documents that were skipped.
    pub(crate) warning: Option<Warning>,
}

/// The roles of files, and the texts that they are in. A file that cannot be read hides no other.
///
/// # Errors
/// `InvalidInput` that names each file that cannot be read, where there is no other; where none of them holds a role.
pub(crate) fn read(process: &Process, paths: &[PathBuf]) -> Result<Files> {
    let mut found = RoleDocuments::default();
    let (paths, failures) = expand(&process.environment, paths);
    let mut files = Vec::new();
    for (path, error) in failures {
        found.fail(&files::shown(&path), error);
    }
    for (file, path) in paths {
        let name = files::shown(&file);
        match files::document(process, &file, MAX_BYTES) {
            Ok(text) => {
                found.extend(roles_of_text(&name, &text));
                files.push(AuditedFile { name, path, text });
            }
            Err(error) => found.fail(&name, error),
        }
    }
    let (warning, nothing) = (found.warning(), found.nothing_to_audit());
    let RoleDocuments { roles, mut errors, .. } = found;
    let read = roles.iter().any(|role| role.unreadable.is_empty());
    let unread = match errors.len() {
        0 => None,
        1 => errors.pop(),
        many => Some(refused(many, &errors)),
    };
    match (unread, nothing) {
        (Some(error), _) if !read => Err(error),
        (None, Some(error)) => Err(error),
        (unread, _) => Ok(Files { roles, files, unread, warning }),
    }
}

fn refused(many: usize, failures: &[Error]) -> Error {
    let lines = failures.iter().take(MAX_LISTED).map(|error| {
        let causes = error.causes();
        std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ")
    });
    let more = many.saturating_sub(MAX_LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    let cause = lines.chain(more).collect::<Vec<_>>().join("\n");
    let hint = "name the files with trust policies, or their directory";
    Error::new(ErrorKind::InvalidInput, format!("cannot audit {many} files")).with_cause(cause).with_hint(hint)
}

/// A file, or why it, or the folder that it is, cannot be read.
type Failures = Vec<(PathBuf, Error)>;

/// Every file once: as it is opened and shown, and as it is called elsewhere.
fn expand(environment: &Environment, paths: &[PathBuf]) -> (Vec<(PathBuf, PathBuf)>, Failures) {
    let (mut found, mut failures, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for path in paths {
        let inside = match environment.path(path).is_dir() && path.as_os_str() != files::STDIN {
            true => folder(environment, path, &mut failures),
            false => vec![path.clone()],
        };
        for file in inside {
            let known = lexical(&environment.path(&file));
            let portable = portable(environment, path, &file);
            if seen.insert(known) {
                found.push((file, portable));
            }
        }
    }
    (found, failures)
}

/// The files of a folder and of those in it whose names end in `.json`, in the order of their names; nothing hidden. A folder
/// that cannot be read hides no other.
fn folder(environment: &Environment, path: &Path, failures: &mut Failures) -> Vec<PathBuf> {
    let known = failures.len();
    // Names begin with the folder, but for the current one.
    let begin = if path == Path::new(".") { PathBuf::new() } else { path.to_owned() };
    let (mut files, mut folders) = (Vec::new(), vec![begin]);
    while let Some(folder) = folders.pop() {
        if let Err(error) = list(environment, &folder, &mut files, &mut folders) {
            let shown = if folder.as_os_str().is_empty() { path.to_owned() } else { folder };
            let what = format!("cannot read directory {}", shown.display());
            failures.push((shown, Error::new(ErrorKind::InvalidInput, what).with_cause(error.to_string())));
        }
    }
    if files.is_empty() && failures.len() == known {
        let error = Error::new(ErrorKind::InvalidInput, format!("no *.json files in {}", path.display()));
        failures.push((path.to_owned(), error.with_hint("name a file with a trust policy, or a directory of them")));
    }
    files.sort();
    files
}

/// Adds the files and the folders of a folder.
fn list(
    environment: &Environment,
    folder: &Path,
    files: &mut Vec<PathBuf>,
    folders: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(environment.path(folder))? {
        let entry = entry?;
        let inside = folder.join(entry.file_name());
        // What is hidden belongs to other tools, such as `.terraform`.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Not through a link to a folder, which may lead in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(inside);
        } else if inside.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
            && !environment.path(&inside).is_dir()
        {
            files.push(inside);
        }
    }
    Ok(())
}

/// A path from the current folder where the file is below it, else from the folder that was named.
fn portable(environment: &Environment, named: &Path, file: &Path) -> PathBuf {
    if named.as_os_str() == files::STDIN {
        return PathBuf::from("stdin.json");
    }
    let whole = lexical(&environment.path(file));
    if let Ok(below) = whole.strip_prefix(lexical(&environment.directory)) {
        return below.to_owned();
    }
    let named = lexical(&environment.path(named));
    let outside = named.parent().unwrap_or(&named);
    whole
        .strip_prefix(outside)
        .map_or_else(|_| whole.file_name().map(PathBuf::from).unwrap_or_default(), Path::to_owned)
}

/// Without `.` and `..`, as far as names tell.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::default().with_directory("/home/me/project")
    }

    #[test]
    fn names_hold_nothing_of_the_machine() {
        for (named, file, path) in [
            ("a.json", "a.json", "a.json"),
            ("./x/../a.json", "./x/../a.json", "a.json"),
            ("policies", "policies/b/a.json", "policies/b/a.json"),
            (".", "./b/a.json", "b/a.json"),
            ("/home/me/project/p", "/home/me/project/p/a.json", "p/a.json"),
            ("/tmp/p", "/tmp/p/b/a.json", "p/b/a.json"),
            ("../other/a.json", "../other/a.json", "a.json"),
            ("/", "/b/a.json", "b/a.json"),
            ("-", "-", "stdin.json"),
        ] {
            assert_eq!(portable(&environment(), Path::new(named), Path::new(file)), Path::new(path), "{named} {file}");
        }
    }

    #[test]
    fn a_file_that_is_named_twice_is_read_once() {
        let named = [PathBuf::from("a.json"), PathBuf::from("./b/../a.json"), PathBuf::from("b.json")];
        let (found, failures) = expand(&environment(), &named);
        assert!(failures.is_empty());
        let found: Vec<PathBuf> = found.into_iter().map(|(file, _)| file).collect();
        assert_eq!(found, [PathBuf::from("a.json"), PathBuf::from("b.json")]);
    }
}
