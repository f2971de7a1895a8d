//! The program: [`irsa_cli::run`] with the arguments, streams and environment of this process.

use std::io;
use std::process::ExitCode;

use irsa_cli::{Live, Process};

fn main() -> ExitCode {
    // Not locked: the log and a credential plug-in write to standard error too.
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    irsa_cli::run(std::env::args_os(), &Process::current(), &Live, &mut stdout, &mut stderr).into()
}
