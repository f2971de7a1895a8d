//! Files that are given on the command line: bounded, and named in every error.

use std::fs::File;
use std::io::{self, ErrorKind as IoKind, Read};
use std::path::Path;

use irsa_core::{Error, ErrorKind, IrsaBinding, PolicyDocument, Result};

use crate::environment::Environment;

/// The most bytes of one document. IAM takes 131,072 characters of any.
pub(crate) const LONGEST: u64 = 1024 * 1024;

/// The path that stands for standard input.
pub(crate) const STDIN: &str = "-";

/// How a file is called in messages.
pub(crate) fn shown(path: &Path) -> String {
    if path.as_os_str() == STDIN { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads a text file; a byte order mark is no part of it.
pub(crate) fn text(environment: &Environment, path: &Path) -> Result<String> {
    bounded(path, LONGEST, || File::open(environment.path(path)))
}

/// Reads a text file, or standard input, of at most so many bytes; a byte order mark is no part of it.
pub(crate) fn document(environment: &Environment, path: &Path, longest: u64) -> Result<String> {
    match path.as_os_str() == STDIN {
        true => bounded(path, longest, || environment.stdin.open()),
        false => bounded(path, longest, || File::open(environment.path(path))),
    }
}

fn bounded<R: Read>(path: &Path, longest: u64, open: impl FnOnce() -> io::Result<R>) -> Result<String> {
    let refused = |cause: String| {
        Err(Error::new(ErrorKind::InvalidInput, format!("cannot read {}", shown(path))).with_cause(cause))
    };
    let mut bytes = Vec::new();
    let read = open().and_then(|file| file.take(longest + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == IoKind::NotFound => refused("there is no such file".to_owned()),
        Err(error) => refused(error.to_string()),
        Ok(_) if bytes.len() as u64 > longest => refused(format!("it has more than {longest} bytes")),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(mut text) => {
                if text.starts_with('\u{feff}') {
                    text.drain(..'\u{feff}'.len_utf8());
                }
                Ok(text)
            }
            // As `>` of Windows PowerShell writes it.
            Err(error) if matches!(error.as_bytes(), [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) => {
                refused("it is UTF-16: save it as UTF-8".to_owned())
            }
            Err(error) => refused(format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1)),
        },
    }
}

/// Reads a policy document.
pub(crate) fn policy(environment: &Environment, path: &Path) -> Result<PolicyDocument> {
    let document = PolicyDocument::parse(&text(environment, path)?);
    document.map_err(|error| error.during(format!("{} is not a policy document that IAM takes", path.display())))
}

/// Reads the statements of a trust policy: one, several, or a whole policy, also as `aws iam get-role` prints it.
pub(crate) fn trust_statement(environment: &Environment, path: &Path) -> Result<String> {
    let statement = document(environment, path, LONGEST)?;
    // The check of the whole binding would not name the file.
    let alone = IrsaBinding::builder("any", "any", "any").with_trust_statement(statement.as_str()).build();
    match alone {
        Ok(_) => Ok(statement),
        Err(error) => Err(error.during(format!("{} holds no statement of a trust policy that IAM takes", shown(path)))),
    }
}
