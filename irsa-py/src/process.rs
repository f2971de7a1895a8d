//! What a client sees of the process: variables, the current folder and the terminal.

use std::io::{self, IsTerminal, Write};

use irsa_core::connect::Environment;
use irsa_core::kube::Plugins;

/// The environment of this process.
pub(crate) fn environment() -> Environment {
    Environment::new(std::env::vars_os()).with_directory(std::env::current_dir().unwrap_or_default())
}

/// Credential plug-ins that may ask the user at the terminal, if there is one, and whose messages the user sees as they come.
pub(crate) fn plugins() -> Plugins {
    let plugins = if io::stdin().is_terminal() { Plugins::new().with_terminal() } else { Plugins::new() };
    if !io::stderr().is_terminal() {
        return plugins;
    }
    plugins.with_stderr(|bytes| {
        // There is no other stream to complain on.
        let _ = io::stderr().write_all(bytes);
    })
}
