//! Parses the command line.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory, FromArgMatches};

use crate::args::Cli;
use crate::printer::PrinterOptions;
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

/// Name of gen3's script, and of the command that replaces it.
const DROP_IN: &str = "iam-serviceaccount";

/// Adds the command to the arguments if the program was called by the name of gen3's script.
pub(crate) fn with_drop_in(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let program = arguments.first().map(Path::new).and_then(Path::file_stem);
    if program.is_some_and(|program| program == DROP_IN) {
        arguments.insert(1, DROP_IN.into());
    }
    arguments
}

/// Options that are needed even if the command line cannot be parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PreParse {
    /// `-o json` was given.
    pub(crate) json: bool,
    quiet: bool,
    /// `--color always` or `never`.
    colour: Option<bool>,
}

impl PreParse {
    /// Finds the options that decide how errors are printed.
    pub(crate) fn of(arguments: &[OsString]) -> Self {
        let mut options = Self::default();
        let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (&*word, None),
            };
            match name {
                "--output" => {
                    options.json = value.or_else(|| words.next().map(Into::into)).is_some_and(|v| v == "json")
                }
                "--quiet" => options.quiet = true,
                "--color" => {
                    options.colour = match value.or_else(|| words.next().map(Into::into)).as_deref() {
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
                    options.quiet |= letters[..flags].contains('q');
                    if let Some(rest) = letters[flags..].strip_prefix('o') {
                        let rest = rest.strip_prefix('=').unwrap_or(rest).to_owned();
                        let format = if rest.is_empty() { words.next().map(Into::into) } else { Some(rest) };
                        options.json = format.is_some_and(|format| format == "json");
                    }
                }
            }
        }
        options
    }

    pub(crate) fn printer_options(self, process: &Process) -> PrinterOptions {
        let wanted = |terminal| self.colour.unwrap_or_else(|| process.takes_colour(terminal));
        PrinterOptions {
            colour_out: wanted(process.stdout_is_terminal),
            colour_err: wanted(process.stderr_is_terminal),
            quiet: self.quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pre_parse(line: &str) -> PreParse {
        PreParse::of(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn output_options_are_found_before_the_line_is_parsed() {
        for line in
            ["irsa -o json", "irsa get -ojson", "irsa --output=json x", "irsa -qo json", "irsa --bad --output json"]
        {
            assert!(pre_parse(line).json, "{line}");
        }
        for line in ["irsa", "irsa -o text", "irsa -- -o json", "irsa --outputs json", "irsa -o"] {
            assert!(!pre_parse(line).json, "{line}");
        }
        assert!(pre_parse("irsa -qv list").quiet && pre_parse("irsa --quiet").quiet && !pre_parse("irsa -v").quiet);
        assert_eq!(pre_parse("irsa --color never").colour, Some(false));
        assert_eq!(pre_parse("irsa --color=always").colour, Some(true));
    }

    #[test]
    fn called_by_the_name_of_the_script_the_program_is_the_drop_in() {
        let line = |words: &str| with_drop_in(words.split(' ').map(OsString::from).collect());
        for program in ["iam-serviceaccount", "/opt/gen3/bin/iam-serviceaccount", "./iam-serviceaccount.sh"] {
            assert_eq!(line(&format!("{program} -l x")), [program, DROP_IN, "-l", "x"].map(OsString::from));
        }
        for program in ["irsa", "/iam-serviceaccount/irsa", "iam-serviceaccounts"] {
            assert_eq!(line(&format!("{program} -l x")), [program, "-l", "x"].map(OsString::from));
        }
        assert!(with_drop_in(Vec::new()).is_empty());
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
