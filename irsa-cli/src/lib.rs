//! The command-line program `irsa`, as a library: arguments in, text or JSON out, no process needed.
//!
//! ```text
//! parse.rs, args.rs -> commands.rs (requests.rs, connect.rs) -> answer.rs -> output.rs, exit.rs
//! what was typed       calls of the library                     results      text, exit code
//! ```
//! All behaviour is that of [`irsa_core`]. [`run`] reads nothing but what it is given: the arguments, the [`Process`] and
//! the back ends that [`Connect`] makes.

mod answer;
mod args;
mod commands;
mod complete;
mod connect;
mod console;
mod diff;
mod exit;
mod files;
mod logging;
mod manifest_files;
mod output;
mod parse;
mod printer;
mod process;
mod requests;
mod source_map;
mod spelling;

use std::ffi::OsString;
use std::io::Write;

pub use self::connect::{Connect, Live};
pub use self::exit::Exit;
pub use self::process::{Process, Stdin};

use self::commands::Context;
use self::output::PrinterConsole;
use self::parse::PreParse;
use self::printer::{ErrorMessage, Printer};
use self::spelling::Spelling;

/// Runs the program: `arguments` begin with its name, as those of a process do.
///
/// A runtime is made, configuration is loaded and the network is used only by the commands that need it.
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
        let candidates = complete::candidates_for(shell, &arguments, &process.environment);
        let written = stdout.write_all(candidates.as_bytes()).and_then(|()| stdout.flush());
        return if written.is_ok() { Exit::Done } else { Exit::Failed };
    }
    let arguments = parse::with_drop_in(arguments);
    // Arguments that cannot be parsed may ask for JSON or for no color too.
    let pre_parse = PreParse::of(&arguments);
    let mut printer = Printer::new(stdout, stderr, pre_parse.printer_options(process));
    let exit = match parse::parse(&arguments, process) {
        Ok((cli, names)) => {
            printer.set_spelling(Spelling::of(&cli.command, &names, &cli.global));
            let is_animated = process.stderr_is_terminal && !cli.global.quiet && cli.global.verbose == 0;
            let context = Context { global: &cli.global, process, connect };
            let outcome = commands::run(&cli, &context, &mut PrinterConsole::new(&mut printer, is_animated));
            output::print(&outcome, cli.global.output, &mut printer);
            Exit::of(&outcome)
        }
        Err(error) => {
            output::usage::print(&error, pre_parse.json, &mut printer);
            Exit::of_usage(&error)
        }
    };
    match printer.broken() {
        None => exit,
        Some(error) => {
            let what = "cannot write to standard output".to_owned();
            printer.error(&ErrorMessage { what, causes: vec![error.to_string()], hint: None });
            Exit::Failed
        }
    }
}
