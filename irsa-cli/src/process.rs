//! The environment, terminals and standard input of a run. Tests pass their own.

use std::io::{self, IsTerminal, Read, Write};

use irsa_core::connect::Environment;
use irsa_core::kube::Plugins;

/// Environment, terminals and standard input of a run. The default is empty, without terminals.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// The variables and directories.
    pub environment: Environment,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// Whether standard input is a terminal, so that the user can be asked.
    pub stdin_is_terminal: bool,
    /// Standard input.
    pub stdin: Stdin,
}

/// Standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    #[default]
    Empty,
    /// Standard input of this process; read only if the command line says so.
    OfProcess,
    /// A text.
    Text(String),
}

impl Stdin {
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::Empty => Ok(Box::new(io::empty())),
            Self::Text(text) => Ok(Box::new(text.as_bytes())),
            Self::OfProcess if io::stdin().is_terminal() => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a terminal; redirect a file to it"))
            }
            Self::OfProcess => Ok(Box::new(io::stdin())),
        }
    }

    /// One line of input.
    pub(crate) fn line(&self) -> io::Result<String> {
        let mut line = String::new();
        match self {
            Self::Empty => {}
            Self::Text(text) => line.push_str(text.lines().next().unwrap_or_default()),
            Self::OfProcess => drop(io::stdin().read_line(&mut line)?),
        }
        Ok(line)
    }
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        let directory = std::env::current_dir().unwrap_or_default();
        Self {
            environment: Environment::new(std::env::vars_os()).with_directory(directory),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            stdin_is_terminal: io::stdin().is_terminal(),
            stdin: Stdin::OfProcess,
        }
    }

    /// Credential plug-ins, which may prompt on the terminal and whose messages are shown immediately.
    pub(crate) fn plugins(&self) -> Plugins {
        let plugins = if self.stdin_is_terminal { Plugins::new().with_terminal() } else { Plugins::new() };
        if !self.stderr_is_terminal {
            return plugins;
        }
        plugins.with_stderr(|bytes| {
            // There is no other stream to report this on.
            let _ = io::stderr().write_all(bytes);
        })
    }

    /// Whether a stream takes color, unless an option decides (no-color.org).
    pub(crate) fn takes_colour(&self, terminal: bool) -> bool {
        let environment = &self.environment;
        terminal && environment.variable("NO_COLOR").is_none() && environment.variable("TERM") != Some("dumb")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Process {
        Process { environment: Environment::new(pairs.iter().copied()), ..Process::default() }
    }

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        assert!(with(&[]).takes_colour(true) && !with(&[]).takes_colour(false));
        assert!(!with(&[("NO_COLOR", "1")]).takes_colour(true) && with(&[("NO_COLOR", "")]).takes_colour(true));
        assert!(!with(&[("TERM", "dumb")]).takes_colour(true));
    }
}
