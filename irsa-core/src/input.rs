//! Text files and streams from users: bounded in size, and named in every error.

use std::fs::File;
use std::io::{self, ErrorKind as IoKind, Read};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Reads a file of UTF-8 text; a byte order mark is left out.
///
/// # Errors
/// `InvalidInput`, with `name` for the file, where it cannot be read, has more than `max_bytes`, or is not UTF-8.
pub fn read_file(path: &Path, name: &str, max_bytes: u64) -> Result<String> {
    read_text(name, max_bytes, || File::open(path))
}

/// Reads UTF-8 text from a stream; a byte order mark is left out.
///
/// # Errors
/// Those of [`read_file`].
pub fn read_text<R: Read>(name: &str, max_bytes: u64, open: impl FnOnce() -> io::Result<R>) -> Result<String> {
    let refused =
        |cause: String| Err(Error::new(ErrorKind::InvalidInput, format!("cannot read {name}")).with_cause(cause));
    let mut bytes = Vec::new();
    let read = open().and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == IoKind::NotFound => refused("there is no such file".to_owned()),
        Err(error) => refused(error.to_string()),
        Ok(_) if bytes.len() as u64 > max_bytes => refused(format!("it has more than {max_bytes} bytes")),
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
