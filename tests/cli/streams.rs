//! Standard output is data, standard error is talk.

use std::io::{self, Write};

use irsa_cli::{Live, Process};

use super::Shell;

#[test]
fn quiet_leaves_data_and_errors() {
    let shell = Shell::new();
    for line in ["-q create a", "create a -q", "list -qn kube-system"] {
        let ran = shell.run(line);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
    }
    assert!(shell.run("get a -q").stdout.contains("sandbox-default-a"));
    assert!(shell.run("get b -q").stderr.starts_with("error: "));
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let mut shell = Shell::new();
    let coloured = |shell: &Shell, line: &str| shell.run(line).stdout.contains('\u{1b}');
    assert!(!coloured(&shell, "create a --dry-run"));
    assert!(coloured(&shell, "create a --dry-run --color always"));
    shell.process.stdout_is_terminal = true;
    assert!(coloured(&shell, "create a --dry-run"));
    assert!(!coloured(&shell, "create a --dry-run --color=never"));
    assert!(!coloured(&shell.with_variable("NO_COLOR", "1"), "create a --dry-run"));
}

#[test]
fn json_is_never_coloured() {
    let ran = Shell::new().run("create a -o json --color always");
    assert!(!ran.stdout.contains('\u{1b}'), "{ran}");
}

struct Gone(io::ErrorKind);

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is() {
    for (kind, code, said) in [(io::ErrorKind::BrokenPipe, 0, false), (io::ErrorKind::StorageFull, 1, true)] {
        let mut stderr = Vec::new();
        let words = ["irsa", "completions", "bash"];
        let exit = irsa_cli::run(words, &Process::default(), &Live, &mut Gone(kind), &mut stderr);
        assert_eq!((exit.code(), !stderr.is_empty()), (code, said), "{kind}");
    }
}
