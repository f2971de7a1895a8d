//! The help, word by word: a change of it is a change for its readers.

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

#[test]
fn help_is_the_same_in_short_and_has_examples() {
    for command in COMMANDS {
        let long = Shell::new().run(&format!("{command} --help")).stdout;
        let without = |text: &str| text.replace("--help", "").replace("-h", "");
        assert_eq!(without(&Shell::new().run(&format!("{command} -h")).stdout), without(&long));
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
