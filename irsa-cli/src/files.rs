//! Files that are given on the command line: bounded, and named in every error.

use std::path::Path;

use irsa_core::connect::Environment;
use irsa_core::input::{read_file, read_text};
use irsa_core::{IrsaBinding, PolicyDocument, Result};

use crate::process::Process;

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
    read_file(&environment.path(path), &shown(path), LONGEST)
}

/// Reads a text file, or standard input, of at most so many bytes; a byte order mark is no part of it.
pub(crate) fn document(process: &Process, path: &Path, longest: u64) -> Result<String> {
    match path.as_os_str() == STDIN {
        true => read_text(&shown(path), longest, || process.stdin.open()),
        false => read_file(&process.environment.path(path), &shown(path), longest),
    }
}

/// Reads a policy document.
pub(crate) fn policy(environment: &Environment, path: &Path) -> Result<PolicyDocument> {
    let document = PolicyDocument::parse(&text(environment, path)?);
    document.map_err(|error| error.during(format!("{} is not a policy document that IAM takes", path.display())))
}

/// Reads the statements of a trust policy: one, several, or a whole policy, also as `aws iam get-role` prints it.
pub(crate) fn trust_statement(process: &Process, path: &Path) -> Result<String> {
    let statement = document(process, path, LONGEST)?;
    // The check of the whole binding would not name the file.
    let alone = IrsaBinding::builder("any", "any", "any").with_trust_statement(statement.as_str()).build();
    match alone {
        Ok(_) => Ok(statement),
        Err(error) => Err(error.during(format!("{} holds no statement of a trust policy that IAM takes", shown(path)))),
    }
}
