//! The command-line program `irsa`, as a library: arguments in, text or JSON out, no process needed.
//!
//! ```text
//! args.rs -> connect.rs, requests.rs -> commands.rs -> output.rs -> printer.rs, exit.rs
//! what was typed   what is asked for            calls      words        streams, exit code
//! ```
//! All behaviour is that of [`irsa_core`]; here it gets words. [`run`] reads nothing but what it is given: the arguments,
//! the [`Process`] and the back ends that [`Connect`] makes.

mod args;
mod commands;
mod complete;
mod connect;
mod diff;
mod exit;
mod files;
mod logging;
mod manifest_files;
mod output;
mod parse;
mod printer;
mod process;
mod progress;
mod requests;
mod source_map;
mod spelling;

use std::ffi::OsString;
use std::io::Write;

use clap::CommandFactory;
use irsa_core::Error;

pub use self::connect::{Connect, Live};
pub use self::exit::Exit;
pub use self::process::{Process, Stdin};

use self::args::{Cli, Command, OutputFormat, TrustCommand};
use self::commands::apply::Fleet;
use self::commands::operation::Job;
use self::commands::{gen3, permissions, trust};
use self::parse::Early;
use self::printer::{Complaint, Printer};
use self::spelling::Spelling;

/// Runs the program: `arguments` begin with its name, as those of a process do.
///
/// A runtime is made, configuration is loaded and the network is touched only by the commands that need it.
pub fn run<I>(
    arguments: I,
    process: &Process,
    connect: &dyn Connect,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Exit
where
    I: IntoIterator<Item: Into<OsString>>,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    if let Some(shell) = complete::requested(&arguments, &process.environment) {
        return complete::run(shell, &arguments, &process.environment, stdout);
    }
    let arguments = gen3::by_name(arguments);
    // Also a line that cannot be parsed may ask for JSON or for no colour.
    let early = Early::of(&arguments);
    let mut printer = Printer::new(stdout, stderr, early.manner(process));
    let exit = match parse::parse(&arguments, process) {
        Ok((cli, names)) => {
            printer.spell(Spelling::of(&cli.command, &names, &cli.global));
            command(&cli, process, connect, &mut printer)
        }
        Err(error) => parse::explain(&error, early.json, &mut printer),
    };
    match printer.broken() {
        None => exit,
        Some(error) => {
            let what = "cannot write to standard output".to_owned();
            printer.complain(&Complaint { what, causes: vec![error.to_string()], hint: None });
            Exit::Failed
        }
    }
}

fn command(cli: &Cli, process: &Process, connect: &dyn Connect, printer: &mut Printer<'_>) -> Exit {
    let audit = matches!(&cli.command, Command::Trust { command: TrustCommand::Audit(_) });
    if cli.global.output == OutputFormat::Sarif && !audit {
        let error = Error::invalid("--output", "sarif", "is for `irsa trust audit` only");
        return output::refused(&error, &cli.global, printer);
    }
    if cli.global.output == OutputFormat::Yaml && !matches!(&cli.command, Command::Export(_)) {
        let error = Error::invalid("--output", "yaml", "is for `irsa export` only");
        return output::refused(&error, &cli.global, printer);
    }
    match &cli.command {
        Command::Completions { shell } => {
            match complete::script(*shell) {
                Some(script) => printer.data(script),
                None => {
                    let mut script = Vec::new();
                    clap_complete::generate(*shell, &mut Cli::command(), "irsa", &mut script);
                    printer.data(&String::from_utf8_lossy(&script));
                }
            }
            Exit::Done
        }
        Command::Permissions(args) => permissions::run(args, &cli.global, &process.environment, printer),
        Command::Plan(args) => Fleet::plan(args).run(&cli.global, process, connect, printer),
        Command::Apply(args) => Fleet::apply(args).run(&cli.global, process, connect, printer),
        Command::Schema => {
            printer.json(&irsa_core::manifest::schema());
            Exit::Done
        }
        Command::Trust { command } => trust::run(command, &cli.global, process, connect, printer),
        _ => match Job::new(cli, process) {
            Ok(job) => job.run(&cli.global, process, connect, printer),
            Err(error) => output::refused(&error, &cli.global, printer),
        },
    }
}
