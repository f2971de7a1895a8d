//! Writes to the two streams: data to stdout, everything else to stderr.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use irsa_core::Warning;

use crate::spelling::Spelling;

/// Style of errors.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Style of warnings.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Style of help and additions.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Style of removals.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Style of changes.
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Style of names.
pub(crate) const STRONG: Style = Style::new().bold();
/// Style of details.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Text in a style, which the printer strips if color is off.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Text from outside, with control characters (escape sequences of terminals among them) made visible.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => plain.push(c),
            c if c.is_control() => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain
}

/// Error as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorMessage {
    /// What cannot be done.
    pub(crate) what: String,
    /// Why it failed, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// Options of the printer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrinterOptions {
    /// Whether standard output takes colour.
    pub(crate) colour_out: bool,
    /// Whether standard error takes colour.
    pub(crate) colour_err: bool,
    /// Whether warnings and progress are left out.
    pub(crate) quiet: bool,
}

pub(crate) struct Printer<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    options: PrinterOptions,
    spelling: Spelling,
    broken: Option<io::Error>,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, options: PrinterOptions) -> Self {
        Self { out, err, options, spelling: Spelling::default(), broken: None }
    }

    /// Sets how hints are spelt.
    pub(crate) fn set_spelling(&mut self, spelling: Spelling) {
        self.spelling = spelling;
    }

    /// How hints are spelt.
    pub(crate) fn spelling(&self) -> &Spelling {
        &self.spelling
    }

    /// Writes a result to standard output.
    pub(crate) fn data(&mut self, text: &str) {
        if self.broken.is_some() {
            return;
        }
        let written = if self.options.colour_out {
            self.out.write_all(text.as_bytes())
        } else {
            write!(self.out, "{}", strip_str(text))
        };
        self.broken = written.and_then(|()| self.out.flush()).err();
    }

    /// Writes one JSON document to standard output.
    pub(crate) fn json(&mut self, document: &serde_json::Value) {
        // A `Value` always has a form as text.
        let text = serde_json::to_string_pretty(document).unwrap_or_default();
        self.data(&format!("{text}\n"));
    }

    /// Writes to stderr, unless quiet.
    pub(crate) fn status(&mut self, text: &str) {
        if !self.options.quiet {
            self.message(text);
        }
    }

    /// Writes a warning to stderr, unless quiet.
    pub(crate) fn warn(&mut self, warning: &Warning) {
        let id = styled(FAINT, &format!("[{}]", warning.id.as_str()));
        let mut text = format!("{} {} {id}\n", styled(WARNING, "warning:"), indented(&plain(&warning.message)));
        if let Some(hint) = warning.hint.as_ref().and_then(|hint| hint.spelt(&self.spelling)) {
            text.push_str(&hint_line(&hint.to_string()));
        }
        self.status(&text);
    }

    /// Writes an error to stderr.
    pub(crate) fn error(&mut self, message: &ErrorMessage) {
        let mut text = format!("{} {}\n", styled(ERROR, "error:"), indented(&plain(&message.what)));
        for cause in &message.causes {
            text.push_str(&format!("  {} {}\n", styled(STRONG, "caused by:"), indented(&plain(cause))));
        }
        if let Some(hint) = &message.hint {
            text.push_str(&hint_line(hint));
        }
        self.message(&text);
    }

    /// Writes to stderr, quiet or not.
    pub(crate) fn message(&mut self, text: &str) {
        // There is no third stream to report this on.
        let _ = if self.options.colour_err {
            self.err.write_all(text.as_bytes())
        } else {
            write!(self.err, "{}", strip_str(text))
        };
        let _ = self.err.flush();
    }

    /// Why stdout could not be written; a closed pipe, as of `head`, is not an error.
    pub(crate) fn broken(&mut self) -> Option<io::Error> {
        self.broken.take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

fn hint_line(hint: &str) -> String {
    format!("  {} {}\n", styled(GOOD.bold(), "hint:"), indented(&plain(hint)))
}

/// Indents the further lines of a message.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use irsa_core::WarningId;

    fn printed(options: PrinterOptions, print: impl FnOnce(&mut Printer<'_>)) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(&mut Printer::new(&mut out, &mut err, options));
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn all(printer: &mut Printer<'_>) {
        printer.data(&styled(GOOD, "data\n"));
        printer.status("status\n");
        printer.warn(&Warning::new(WarningId::NoPolicies, "role r\nhas none"));
        let causes = vec!["AccessDenied: \u{1b}[31mno".to_owned()];
        printer.error(&ErrorMessage { what: "cannot".to_owned(), causes, hint: Some("ask".to_owned()) });
    }

    #[test]
    fn data_and_messages_go_to_different_streams() {
        let (out, err) = printed(PrinterOptions::default(), all);
        assert_eq!(out, "data\n");
        assert_eq!(
            err,
            "status\nwarning: role r\n    has none [no-policies]\nerror: cannot\n  caused by: AccessDenied: \\u{1b}[31mno\n  hint: ask\n"
        );
    }

    #[test]
    fn quiet_leaves_data_and_errors() {
        let (out, err) = printed(PrinterOptions { quiet: true, ..PrinterOptions::default() }, all);
        assert_eq!(out, "data\n");
        assert!(err.starts_with("error: cannot"), "{err}");
    }

    #[test]
    fn colour_is_kept_where_it_is_wanted() {
        let (out, err) = printed(PrinterOptions { colour_out: true, colour_err: true, quiet: false }, all);
        assert!(out.contains('\u{1b}') && err.contains("\u{1b}[1m"), "{out:?} {err:?}");
        // What comes from outside never reaches the terminal as an escape sequence.
        assert!(err.contains("\\u{1b}[31mno"), "{err:?}");
    }

    struct Closed(io::ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        for (kind, fails) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let (mut out, mut err) = (Closed(kind), Vec::new());
            let mut printer = Printer::new(&mut out, &mut err, PrinterOptions::default());
            printer.data("a");
            printer.data("b");
            assert_eq!(printer.broken().is_some(), fails, "{kind}");
        }
    }
}
