//! The commands, one file each: what was typed becomes calls of the library, and their results an [`Outcome`].

mod apply;
mod binding;
mod gen3;
mod inventory;
mod permissions;
mod provider;
mod runner;
mod trust;

use irsa_core::connect::{Need, Target};
use irsa_core::{Error, Result};

use crate::answer::{Answer, Outcome};
use crate::args::{Cli, Command, Global, OutputFormat, TrustCommand};
use crate::complete;
use crate::connect::{Connect, target};
use crate::console::Console;
use crate::process::Process;

/// What every command is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) global: &'a Global,
    pub(crate) process: &'a Process,
    pub(crate) connect: &'a dyn Connect,
}

impl Context<'_> {
    fn target(&self, need: Need) -> Result<Target> {
        target(self.global.config(), self.process, need)
    }
}

/// Runs a command. Only the commands that need them make a runtime, load configuration and use the network.
pub(crate) fn run(cli: &Cli, context: &Context<'_>, console: &mut dyn Console) -> Outcome {
    let outcome = check_format(cli).and_then(|()| dispatch(cli, context, console));
    outcome.unwrap_or_else(Outcome::refused)
}

/// # Errors
/// Whatever is refused before the command makes its first call.
fn dispatch(cli: &Cli, context: &Context<'_>, console: &mut dyn Console) -> Result<Outcome> {
    match &cli.command {
        Command::Create(args) => binding::create(args, context, console),
        Command::Update(args) => binding::update(args, context, console),
        Command::Delete(args) => binding::delete(args, context, console),
        Command::Get(args) => binding::get(args, context, console),
        Command::List(args) => inventory::list(args, context, console),
        Command::Plan(args) => apply::plan(args, context, console),
        Command::Apply(args) => apply::apply(args, context, console),
        Command::Export(args) => inventory::export(args, context, console),
        Command::Schema => Ok(Outcome::answer(Answer::Schema(irsa_core::manifest::schema()))),
        Command::Provider { command } => provider::run(command, context, console),
        Command::Trust { command } => trust::run(command, context, console),
        Command::Permissions(args) => permissions::run(args, context),
        Command::IamServiceaccount(args) => gen3::run(args, context, console),
        Command::Completions { shell } => Ok(Outcome::answer(Answer::Script(complete::script(*shell)))),
    }
}

/// Refuses the formats that only one command has.
fn check_format(cli: &Cli) -> Result<()> {
    let audits = matches!(&cli.command, Command::Trust { command: TrustCommand::Audit(_) });
    let exports = matches!(&cli.command, Command::Export(_));
    match cli.global.output {
        OutputFormat::Sarif if !audits => {
            Err(Error::invalid("--output", "sarif", "is supported only by `irsa trust audit`"))
        }
        OutputFormat::Yaml if !exports => Err(Error::invalid("--output", "yaml", "is supported only by `irsa export`")),
        _ => Ok(()),
    }
}
