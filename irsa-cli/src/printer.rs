//! The one printer: data to standard output, talk to standard error. Nothing else writes.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use irsa_core::Warning;

use crate::spelling::Spelling;

/// The style of what went wrong.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The style of what may go wrong.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// The style of what helps, and of what is added.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// The style of what is taken away.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// The style of what is changed.
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// The style of what is pointed at.
pub(crate) const STRONG: Style = Style::new().bold();
/// The style of what matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Text in a style; the printer takes the style away where colour is not wanted.
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

/// What went wrong, in the words of the person who will read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What was being done.
    pub(crate) what: String,
    /// Why it failed, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// What the printer is told at its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Whether standard output takes colour.
    pub(crate) colour_out: bool,
    /// Whether standard error takes colour.
    pub(crate) colour_err: bool,
    /// Whether talk is left out.
    pub(crate) quiet: bool,
}

pub(crate) struct Printer<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    manner: Manner,
    spelling: Spelling,
    broken: Option<io::Error>,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, manner: Manner) -> Self {
        Self { out, err, manner, spelling: Spelling::default(), broken: None }
    }

    /// Hints are spelt for this command from now on.
    pub(crate) fn spell(&mut self, spelling: Spelling) {
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
        let written = if self.manner.colour_out {
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

    /// Says something on standard error, unless it is to be quiet.
    pub(crate) fn talk(&mut self, text: &str) {
        if !self.manner.quiet {
            self.say(text);
        }
    }

    /// Warns on standard error, unless it is to be quiet.
    pub(crate) fn warn(&mut self, warning: &Warning) {
        let id = styled(FAINT, &format!("[{}]", warning.id.as_str()));
        let mut text = format!("{} {} {id}\n", styled(WARNING, "warning:"), indented(&plain(&warning.message)));
        if let Some(hint) = warning.hint.as_ref().and_then(|hint| hint.spelt(&self.spelling)) {
            text.push_str(&hint_line(&hint.to_string()));
        }
        self.talk(&text);
    }

    /// Says on standard error what went wrong, quiet or not.
    pub(crate) fn complain(&mut self, complaint: &Complaint) {
        let mut text = format!("{} {}\n", styled(ERROR, "error:"), indented(&plain(&complaint.what)));
        for cause in &complaint.causes {
            text.push_str(&format!("  {} {}\n", styled(STRONG, "caused by:"), indented(&plain(cause))));
        }
        if let Some(hint) = &complaint.hint {
            text.push_str(&hint_line(hint));
        }
        self.say(&text);
    }

    /// Writes to standard error, quiet or not.
    pub(crate) fn say(&mut self, text: &str) {
        // There is no third stream to complain on.
        let _ = if self.manner.colour_err {
            self.err.write_all(text.as_bytes())
        } else {
            write!(self.err, "{}", strip_str(text))
        };
        let _ = self.err.flush();
    }

    /// Why standard output could not be written; a reader that went away, as `head` does, is no failure.
    pub(crate) fn broken(&mut self) -> Option<io::Error> {
        self.broken.take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

fn hint_line(hint: &str) -> String {
    format!("  {} {}\n", styled(GOOD.bold(), "hint:"), indented(&plain(hint)))
}

/// Further lines of a message stand below its first one.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use irsa_core::WarningId;

    fn printed(manner: Manner, print: impl FnOnce(&mut Printer<'_>)) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(&mut Printer::new(&mut out, &mut err, manner));
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn all(printer: &mut Printer<'_>) {
        printer.data(&styled(GOOD, "data\n"));
        printer.talk("talk\n");
        printer.warn(&Warning::new(WarningId::NoPolicies, "role r\nhas none"));
        let causes = vec!["AccessDenied: \u{1b}[31mno".to_owned()];
        printer.complain(&Complaint { what: "cannot".to_owned(), causes, hint: Some("ask".to_owned()) });
    }

    #[test]
    fn data_and_talk_go_apart() {
        let (out, err) = printed(Manner::default(), all);
        assert_eq!(out, "data\n");
        assert_eq!(
            err,
            "talk\nwarning: role r\n    has none [no-policies]\nerror: cannot\n  caused by: AccessDenied: \\u{1b}[31mno\n  hint: ask\n"
        );
    }

    #[test]
    fn quiet_leaves_data_and_errors() {
        let (out, err) = printed(Manner { quiet: true, ..Manner::default() }, all);
        assert_eq!(out, "data\n");
        assert!(err.starts_with("error: cannot"), "{err}");
    }

    #[test]
    fn colour_is_kept_where_it_is_wanted() {
        let (out, err) = printed(Manner { colour_out: true, colour_err: true, quiet: false }, all);
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
    fn a_reader_that_went_away_is_no_failure() {
        for (kind, fails) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let (mut out, mut err) = (Closed(kind), Vec::new());
            let mut printer = Printer::new(&mut out, &mut err, Manner::default());
            printer.data("a");
            printer.data("b");
            assert_eq!(printer.broken().is_some(), fails, "{kind}");
        }
    }
}
