//! Help texts of every command, as snapshots.

use insta::assert_snapshot;

use super::Shell;

/// Every command that has help of its own.
const COMMANDS: [&str; 21] = [
    "",
    "create",
    "update",
    "delete",
    "get",
    "list",
    "plan",
    "apply",
    "export",
    "schema",
    "provider",
    "provider create",
    "provider show",
    "provider delete",
    "trust",
    "trust check",
    "trust who-can",
    "trust audit",
    "permissions",
    "iam-serviceaccount",
    "completions",
];

#[test]
fn help() {
    for command in COMMANDS {
        let ran = Shell::new().run(&format!("{command} --help"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command}");
        let name = format!("help {command}").trim_end().replace(' ', "_");
        assert_snapshot!(name, ran.stdout);
    }
}

/// The lines of a help text without the block of global options.
fn without_global_options(help: &str) -> Vec<String> {
    let (before, rest) = help.split_once("Global options:\n").expect("global options");
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    let lines = |text: &str| text.trim_end().lines().map(str::to_owned).collect::<Vec<_>>();
    match after {
        "" => lines(before),
        _ => [lines(before), vec![String::new()], lines(after)].concat(),
    }
}

#[test]
fn short_help_of_subcommands_omits_global_options() {
    for command in COMMANDS {
        let long = Shell::new().run(&format!("{command} --help")).stdout;
        let short = Shell::new().run(&format!("{command} -h")).stdout;
        if command.is_empty() {
            assert_eq!(short, long);
            continue;
        }
        let pointer = " (see global options with '--help')";
        assert!(short.contains(&format!("Print help{pointer}\n")), "{short}");
        let expected = without_global_options(&long).join("\n").replace(" [OPTIONS]", "");
        let found = short.replace(pointer, "").replace(" [OPTIONS]", "");
        assert_eq!(found.trim_end(), expected, "{command}");
        let help = Shell::new().run(&format!("help {command}")).stdout;
        assert_eq!(help, long, "{command}");
    }
}

#[test]
fn help_has_examples_and_fits_the_width() {
    for command in COMMANDS {
        let long = Shell::new().run(&format!("{command} --help")).stdout;
        assert!(["provider", "trust"].contains(&command) || long.contains("\nExamples:\n  irsa "), "{command}");
        assert!(long.lines().all(|line| line.chars().count() <= 120), "{command}");
    }
}

#[test]
fn version() {
    let ran = Shell::new().run("--version");
    assert_eq!((ran.code, ran.stdout), (0, format!("irsa {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn no_command_at_all_shows_what_there_is() {
    let ran = Shell::new().run("");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("Usage: irsa [OPTIONS] <COMMAND>"), "{}", ran.stderr);
}
