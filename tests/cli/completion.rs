//! Completion as the scripts of the shells ask for it. The scripts themselves run in tests/e2e/test_completion.py.

use super::{Ran, Shell};

/// What the script of bash gets for a line whose last word is not split.
fn bash(shell: Shell, line: &str) -> Ran {
    let part = line.rsplit(' ').next().unwrap_or_default();
    shell.with_variable("IRSA_COMPLETE", "bash").run_words(&["irsa", "--", line, part])
}

fn words(shell: Shell, line: &str) -> Vec<String> {
    let ran = bash(shell, line);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
    let mut lines = ran.stdout.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("words"), "{line}");
    lines.collect()
}

#[test]
fn values_of_options_and_arguments_complete() {
    for (line, expected) in [
        ("irsa list --color ", &["auto", "always", "never"][..]),
        ("irsa list -o ", &["text", "json"]),
        ("irsa export -o y", &["yaml"]),
        ("irsa trust audit --fail-on ", &["info", "low", "medium", "high"]),
        ("irsa completions ", &["bash", "elvish", "fish", "powershell", "zsh"]),
    ] {
        assert_eq!(words(Shell::new(), line), expected, "{line}");
    }
}

#[test]
fn the_word_after_sandbox_is_the_command() {
    assert_eq!(words(Shell::new(), "irsa --sandbox cre"), ["create"]);
    let after = words(Shell::new(), "irsa --sandbox create --");
    assert!(after.contains(&"--permissions-boundary".to_owned()), "{after:?}");
    assert_eq!(bash(Shell::new(), "irsa --sandbox=").stdout, "files\t--sandbox=\n");
}

#[test]
fn names_come_from_local_files() {
    let kubeconfig = "contexts: [{name: me@demo.eu-west-1.eksctl.io, context: {cluster: demo.eu-west-1.eksctl.io, user: u, namespace: jobs}}]";
    let shell = || {
        let shell = Shell::new().with_file("config", kubeconfig).with_file("aws", "[default]\n[profile dev]\n");
        let file = shell.path().join("aws").display().to_string();
        shell.with_variable("AWS_CONFIG_FILE", &file)
    };
    for (line, expected) in [
        ("irsa list --kubeconfig config --cluster ", &["demo"][..]),
        ("irsa list --kubeconfig config --context ", &["me@demo.eu-west-1.eksctl.io"]),
        ("irsa list --kubeconfig config -n ", &["default", "jobs"]),
        ("irsa create --kubeconfig config j", &["jobs/"]),
        ("irsa list --profile ", &["default", "dev"]),
    ] {
        assert_eq!(words(shell(), line), expected, "{line}");
    }
}

#[test]
fn service_accounts_of_the_sandbox_complete() {
    let shell = Shell::new();
    let made = shell.run_live("create jobs/worker --create-namespace --sandbox");
    assert_eq!(made.code, 0, "{made}");
    assert_eq!(words(shell, "irsa --sandbox get j"), ["jobs/worker"]);
}

#[test]
fn every_script_asks_the_program() {
    for shell in ["bash", "fish", "zsh"] {
        let ran = Shell::new().run(&format!("completions {shell}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains(&format!("IRSA_COMPLETE={shell}")), "{shell}");
    }
    for shell in ["elvish", "powershell"] {
        let ran = Shell::new().run(&format!("completions {shell}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        for word in ["create", "permissions", "sandbox", "subject-pattern", "who-can", "iam-serviceaccount"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn only_a_script_gets_candidates() {
    for value in ["", "tcsh", "1", "bash"] {
        let ran = Shell::new().with_variable("IRSA_COMPLETE", value).run("--version");
        assert_eq!((ran.code, ran.stdout.starts_with("irsa ")), (0, true), "{value}");
    }
}
