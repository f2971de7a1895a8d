//! Parses the command line, and prints help and usage errors.

use std::ffi::OsString;

use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory, FromArgMatches};
use serde_json::json;

use crate::args::Cli;
use crate::exit::Exit;
use crate::printer::{Manner, Printer};
use crate::process::Process;

/// Width of the help if standard output is not a terminal.
const WIDTH: usize = 120;

/// Parses the command line; also returns the names of the command and its subcommands.
pub(crate) fn parse(arguments: &[OsString], process: &Process) -> Result<(Cli, Vec<String>), clap::Error> {
    let new_command = || match process.stdout_is_terminal {
        true => Cli::command(),
        false => Cli::command().term_width(WIDTH),
    };
    let mut command = new_command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Err(error) if error.kind() == ClapKind::DisplayHelp && !asks_for_long_help(arguments) => {
            return Err(short_help(new_command(), arguments).unwrap_or(error));
        }
        matches => matches?,
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, names(&matches)))
}

/// Whether help was asked for by `--help` or `help` rather than by `-h`.
fn asks_for_long_help(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).any(|argument| argument == "--help" || argument == "help")
}

/// The help of a subcommand without the global options. clap's own short help is not used: it would spread each
/// option of the long help over several lines.
fn short_help(mut command: clap::Command, arguments: &[OsString]) -> Option<clap::Error> {
    command.build();
    let command = command.mut_subcommands(without_global_options);
    command.try_get_matches_from(arguments).err().filter(|error| error.kind() == ClapKind::DisplayHelp)
}

fn without_global_options(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| match arg.get_id().as_str() {
            "help" => arg.help("Print help (see global options with '--help')"),
            _ if arg.is_global_set() => arg.hide(true),
            _ => arg,
        })
        .mut_subcommands(without_global_options)
}

/// The names of the command and its subcommands.
pub(crate) fn names(matches: &clap::ArgMatches) -> Vec<String> {
    let mut names = Vec::new();
    let mut next = matches.subcommand();
    while let Some((name, inner)) = next {
        names.push(name.to_owned());
        next = inner.subcommand();
    }
    names
}

/// Prints why the command line could not be parsed, or the help that was asked for.
pub(crate) fn explain(error: &clap::Error, as_json: bool, printer: &mut Printer<'_>) -> Exit {
    let text = error.render().ansi().to_string();
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            printer.data(&text);
            Exit::Done
        }
        _ => {
            if as_json {
                let plain = error.render().to_string();
                // The arguments concerned stand indented below the first line.
                let mut lines = plain.lines();
                let first = lines.next().unwrap_or_default();
                let more = lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect::<Vec<_>>();
                let first = first.strip_prefix("error: ").unwrap_or(first);
                let message = format!("{first} {}", more.join(", "));
                let message = message.trim_end();
                let tip = plain.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
                let error = json!({
                    "kind": "invalid_input",
                    "code": null,
                    "message": message,
                    "caused_by": [],
                    "hint": tip.unwrap_or("try --help"),
                });
                printer.json(&json!({"error": error}));
            }
            printer.say(&text);
            Exit::Refused
        }
    }
}

/// Options that are needed even if the command line cannot be parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Early {
    /// `-o json` was given.
    pub(crate) json: bool,
    quiet: bool,
    /// `--color always` or `never`.
    colour: Option<bool>,
}

impl Early {
    /// Finds the options that decide how errors are printed.
    pub(crate) fn of(arguments: &[OsString]) -> Self {
        let mut early = Self::default();
        let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (&*word, None),
            };
            match name {
                "--output" => early.json = value.or_else(|| words.next().map(Into::into)).is_some_and(|v| v == "json"),
                "--quiet" => early.quiet = true,
                "--color" => {
                    early.colour = match value.or_else(|| words.next().map(Into::into)).as_deref() {
                        Some("always") => Some(true),
                        Some("never") => Some(false),
                        _ => None,
                    }
                }
                _ if word.starts_with("--") => {}
                _ => {
                    // Short options may stand together: -qo json, -ojson.
                    let Some(letters) = word.strip_prefix('-') else { continue };
                    let flags = letters.len() - letters.trim_start_matches(['q', 'v']).len();
                    early.quiet |= letters[..flags].contains('q');
                    if let Some(rest) = letters[flags..].strip_prefix('o') {
                        let rest = rest.strip_prefix('=').unwrap_or(rest).to_owned();
                        let format = if rest.is_empty() { words.next().map(Into::into) } else { Some(rest) };
                        early.json = format.is_some_and(|format| format == "json");
                    }
                }
            }
        }
        early
    }

    /// How to print.
    pub(crate) fn manner(self, process: &Process) -> Manner {
        let wanted = |terminal| self.colour.unwrap_or_else(|| process.takes_colour(terminal));
        Manner {
            colour_out: wanted(process.stdout_is_terminal),
            colour_err: wanted(process.stderr_is_terminal),
            quiet: self.quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early(line: &str) -> Early {
        Early::of(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_form_of_errors_is_known_before_the_line_is_parsed() {
        for line in
            ["irsa -o json", "irsa get -ojson", "irsa --output=json x", "irsa -qo json", "irsa --bad --output json"]
        {
            assert!(early(line).json, "{line}");
        }
        for line in ["irsa", "irsa -o text", "irsa -- -o json", "irsa --outputs json", "irsa -o"] {
            assert!(!early(line).json, "{line}");
        }
        assert!(early("irsa -qv list").quiet && early("irsa --quiet").quiet && !early("irsa -v").quiet);
        assert_eq!(early("irsa --color never").colour, Some(false));
        assert_eq!(early("irsa --color=always").colour, Some(true));
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
