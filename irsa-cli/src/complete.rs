//! Completion in bash, zsh and fish: returns the candidates for the last word of a line.
//!
//! ```text
//! scripts/irsa.bash -> shell.rs -> line.rs            -> names.rs       -> shell.rs
//! what was typed       words       what is expected      candidates        lines for the script
//! ```
//! The scripts ask the program itself, as those of kubectl and helm do, with the variable [`VARIABLE`] set. It then reads
//! local files and calls nothing. clap_complete's own engine is not used: its scripts pass `--color=x` and ARNs to the
//! program in pieces, as bash splits them, and its engine takes the word after `--sandbox` for the file.

mod line;
mod names;
mod shell;

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory, ValueHint};
use irsa_core::Command as Verb;
use irsa_core::connect::Environment;

use self::line::{Expected, Line};
use self::names::Names;
use self::shell::Typed;
pub(crate) use self::shell::{Shell, script};
use crate::args::Cli;

/// Variable by which a script asks for candidates; its value is the name of the shell.
const VARIABLE: &str = "IRSA_COMPLETE";

/// The shell whose script asks for candidates, if any. The script passes `--` first, so that commands still run if the
/// variable is exported.
pub(crate) fn requested(arguments: &[OsString], environment: &Environment) -> Option<Shell> {
    let shell = Shell::named(environment.variable(VARIABLE)?)?;
    (arguments.get(1)? == "--").then_some(shell)
}

/// The candidates for the last word, as the script of the shell reads them.
pub(crate) fn candidates_for(shell: Shell, arguments: &[OsString], environment: &Environment) -> String {
    let typed = Typed::of(shell, arguments);
    let mut command = Cli::command();
    command.build();
    typed.render(&candidates(&Line::of(&command, &typed.words), environment))
}

/// What can follow at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Candidates {
    /// Files, which the shell completes itself; the path begins after this part of the word.
    Files(String),
    /// These words.
    Words(Vec<Candidate>),
}

/// Possible next word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The whole word.
    pub(crate) word: String,
    /// One line of description, or nothing.
    pub(crate) description: String,
}

impl Candidate {
    fn new(word: impl Into<String>, description: impl Into<String>) -> Self {
        Self { word: word.into(), description: description.into() }
    }

    fn plain(word: impl Into<String>) -> Self {
        Self::new(word, "")
    }
}

/// Source of the values of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    PossibleValues,
    OutputFormats,
    PolicyActions,
    Commands,
    Files,
    /// `NAME=FILE`
    NamedFile,
    Clusters,
    Regions,
    Profiles,
    Contexts,
    Namespaces,
    /// `[NAMESPACE/]NAME`
    ServiceAccounts,
    /// `NAMESPACE/NAME`
    Subjects,
    /// Service accounts of the given namespace, without the namespace.
    Gen3ServiceAccounts,
    Roles,
    FreeText,
}

impl Source {
    fn of(arg: &Arg) -> Self {
        match arg.get_id().as_str() {
            "output" => Self::OutputFormats,
            "cluster" => Self::Clusters,
            "region" => Self::Regions,
            "profile" => Self::Profiles,
            "context" => Self::Contexts,
            "namespace" => Self::Namespaces,
            "service_account" => Self::ServiceAccounts,
            "subject" | "subjects" | "remove_subjects" => Self::Subjects,
            "role" | "role_name" => Self::Roles,
            "policies" | "policy" => Self::Files,
            "inline_policies" => Self::NamedFile,
            "action" => Self::PolicyActions,
            "create" | "update" | "list" | "delete" => Self::Gen3ServiceAccounts,
            "command" => Self::Commands,
            _ if arg.get_value_parser().possible_values().is_some() => Self::PossibleValues,
            _ if arg.get_value_hint() == ValueHint::AnyPath => Self::Files,
            _ => Self::FreeText,
        }
    }
}

/// Candidates for the end of the line.
fn candidates(line: &Line<'_>, environment: &Environment) -> Candidates {
    match &line.expected {
        Expected::Value { arg, before } => values(arg, before, line, environment),
        Expected::Option => Candidates::Words(fitting(options(line), &line.word)),
        Expected::Word { positional, options_too } => {
            let mut words = subcommands(line);
            if let Some(arg) = positional {
                match values(arg, "", line, environment) {
                    Candidates::Words(values) => words.extend(values),
                    files => return files,
                }
            }
            if words.is_empty() && line.word.is_empty() && *options_too {
                words = options(line);
            }
            Candidates::Words(fitting(words, &line.word))
        }
    }
}

/// Values of an argument; each begins with `before`, the part of the word that is not the value.
fn values(arg: &Arg, before: &str, line: &Line<'_>, environment: &Environment) -> Candidates {
    let value = line.word.strip_prefix(before).unwrap_or_default();
    let names = Names::of(line, environment);
    let plain = |words: Vec<String>| words.into_iter().map(Candidate::plain).collect::<Vec<_>>();
    let words = match Source::of(arg) {
        Source::Files => return Candidates::Files(before.to_owned()),
        Source::NamedFile => {
            return match value.split_once('=') {
                Some((name, _)) => Candidates::Files(format!("{before}{name}=")),
                None => Candidates::Words(Vec::new()),
            };
        }
        Source::PossibleValues => possible_values(arg),
        Source::OutputFormats => output_formats(arg, line),
        Source::PolicyActions => vec![
            Candidate::new("a", "Add the policy"),
            Candidate::new("u", "Add the policy"),
            Candidate::new("d", "Remove the policy"),
        ],
        Source::Commands => plain(commands(&line.values("command"))),
        Source::Clusters => plain(names.clusters()),
        Source::Regions => plain(names.regions()),
        Source::Profiles => plain(names.profiles()),
        Source::Contexts => plain(names.contexts()),
        Source::Namespaces => plain(names.namespaces()),
        Source::ServiceAccounts => plain(names.service_accounts(value)),
        Source::Subjects => plain(names.subjects()),
        Source::Gen3ServiceAccounts => plain(names.gen3_service_accounts()),
        Source::Roles => plain(names.roles()),
        Source::FreeText => Vec::new(),
    };
    let whole =
        words.into_iter().map(|candidate| Candidate { word: format!("{before}{}", candidate.word), ..candidate });
    Candidates::Words(fitting(whole.collect(), &line.word))
}

/// Candidates that begin with the word. A line feed in a name would make two candidates.
fn fitting(candidates: Vec<Candidate>, word: &str) -> Vec<Candidate> {
    let fits = |candidate: &Candidate| candidate.word.starts_with(word) && !candidate.word.contains(char::is_control);
    candidates.into_iter().filter(fits).collect()
}

fn possible_values(arg: &Arg) -> Vec<Candidate> {
    let values = arg.get_value_parser().possible_values().into_iter().flatten().filter(|value| !value.is_hide_set());
    values.map(|value| Candidate::new(value.get_name(), first_line(value.get_help()))).collect()
}

/// Formats of the command; all of them before the command is typed.
fn output_formats(arg: &Arg, line: &Line<'_>) -> Vec<Candidate> {
    let mut formats = possible_values(arg);
    formats.retain(|format| match format.word.as_str() {
        "yaml" => matches!(line.path[..], [] | ["export"]),
        "sarif" => matches!(line.path[..], [] | ["trust"] | ["trust", "audit"]),
        _ => true,
    });
    formats
}

/// Next words of the commands whose permissions can be printed.
fn commands(before: &[&str]) -> Vec<String> {
    let mut next: Vec<String> = Vec::new();
    for verb in Verb::ALL {
        let words: Vec<&str> = verb.as_str().split(' ').collect();
        if let Some([word, ..]) = words.strip_prefix(before)
            && !next.iter().any(|known| known == word)
        {
            next.push((*word).to_owned());
        }
    }
    next
}

fn subcommands(line: &Line<'_>) -> Vec<Candidate> {
    if !line.takes_subcommand {
        return Vec::new();
    }
    let shown = line.command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command: &Command| Candidate::new(command.get_name(), first_line(command.get_about()))).collect()
}

/// The options of the command that can still be given.
fn options(line: &Line<'_>) -> Vec<Candidate> {
    let mut options = Vec::new();
    for arg in line.command.get_arguments() {
        if arg.is_positional() || arg.is_hide_set() || line.is_used_up(arg) {
            continue;
        }
        let description = first_line(arg.get_help());
        for long in arg.get_long_and_visible_aliases().unwrap_or_default() {
            options.push(Candidate::new(format!("--{long}"), &description));
            if arg.is_require_equals_set() {
                options.push(Candidate::new(format!("--{long}="), &description));
            }
        }
        // A short option is only completed where it was typed, so that the shell goes on to its value.
        let shorts = arg.get_short_and_visible_aliases().unwrap_or_default();
        options.extend(
            shorts
                .into_iter()
                .map(|short| format!("-{short}"))
                .filter(|short| *short == line.word)
                .map(|short| Candidate::new(short, &description)),
        );
    }
    options
}

fn first_line(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().replace('\t', " ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_argument(command: &Command, found: &mut Vec<(String, Arg)>) {
        found.extend(command.get_arguments().map(|arg| (command.get_name().to_owned(), arg.clone())));
        command.get_subcommands().for_each(|command| every_argument(command, found));
    }

    /// A new option is completed, or is listed here as free text.
    #[test]
    fn every_value_has_candidates_or_is_free_text() {
        const FREE_TEXT: [&str; 24] = [
            "account",
            "annotations",
            "applyset",
            "audience",
            "audiences",
            "concurrency",
            "description",
            "endpoint_url",
            "group",
            "ignores",
            "issuer",
            "labels",
            "max_session_duration",
            "partition",
            "permissions_boundary",
            "remove_policies",
            "role_path",
            "subject_patterns",
            "tags",
            "timeout",
            "token_expiration",
            "user",
            "writes_per_second",
            "subcommand",
        ];
        let mut command = Cli::command();
        command.build();
        let mut arguments = Vec::new();
        every_argument(&command, &mut arguments);
        assert!(arguments.len() > 200, "{}", arguments.len());
        for (command, arg) in arguments.iter().filter(|(_, arg)| arg.get_action().takes_values()) {
            let is_free = FREE_TEXT.contains(&arg.get_id().as_str());
            assert_eq!(Source::of(arg) == Source::FreeText, is_free, "{command}: {}", arg.get_id());
        }
    }

    #[test]
    fn permissions_complete_existing_commands() {
        assert!(commands(&[]).contains(&"provider".to_owned()) && commands(&[]).contains(&"create".to_owned()));
        assert_eq!(commands(&["provider"]), ["create", "show", "delete"]);
        assert!(commands(&["create"]).is_empty() && commands(&["nope"]).is_empty());
    }
}
