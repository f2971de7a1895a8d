//! Reads the files named on the command line, with a size limit and the file name in every error.

use std::path::Path;

use irsa_core::connect::Environment;
use irsa_core::input::{read_file, read_text};
use irsa_core::{IrsaBinding, PolicyDocument, Result};

use crate::process::Process;

/// Size limit of one document in bytes. IAM accepts at most 131,072 characters.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// Path that means standard input.
pub(crate) const STDIN: &str = "-";

/// Name of a file in messages.
pub(crate) fn shown(path: &Path) -> String {
    if path.as_os_str() == STDIN { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads a text file without its byte order mark.
pub(crate) fn text(environment: &Environment, path: &Path) -> Result<String> {
    read_file(&environment.path(path), &shown(path), MAX_BYTES)
}

/// Reads a text file or standard input without its byte order mark.
pub(crate) fn document(process: &Process, path: &Path, max_bytes: u64) -> Result<String> {
    match path.as_os_str() == STDIN {
        true => read_text(&shown(path), max_bytes, || process.stdin.open()),
        false => read_file(&process.environment.path(path), &shown(path), max_bytes),
    }
}

/// Reads a policy document.
pub(crate) fn policy(environment: &Environment, path: &Path) -> Result<PolicyDocument> {
    let document = PolicyDocument::parse(&text(environment, path)?);
    document.map_err(|error| error.during(format!("{} is not a valid policy document", path.display())))
}

/// Reads statements of a trust policy: one, a list, a policy, or the output of `aws iam get-role`.
pub(crate) fn trust_statement(process: &Process, path: &Path) -> Result<String> {
    let statement = document(process, path, MAX_BYTES)?;
    // The check of the whole binding would not name the file.
    let alone = IrsaBinding::builder("any", "any", "any").with_trust_statement(statement.as_str()).build();
    match alone {
        Ok(_) => Ok(statement),
        Err(error) => Err(error.during(format!("{} is not a valid trust policy or statement", shown(path)))),
    }
}
