//! Rules of CONTRIBUTING.md that a reader of the sources can check.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The string literals of a line that is no comment.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    let code = if line.trim_start().starts_with("//") { "" } else { line };
    code.split('"').skip(1).step_by(2)
}

fn names_an_option_or_command(literal: &str) -> bool {
    let is_option = |word: &str| {
        word.strip_prefix("--").is_some_and(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
    };
    let of_others = ["aws ", "kubectl "].iter().any(|program| literal.contains(program));
    let words = literal.split([' ', '`', '(']);
    (words.clone().any(is_option) && !of_others) || literal.contains("`irsa ")
}

/// The library serves several front ends: it names settings and operations by `Hint`, and each spells them.
#[test]
fn the_library_names_no_option_and_no_command_of_the_program() {
    // The arguments of plug-ins that kubeconfigs run.
    const PLUGINS: &str = "kube/";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../irsa-core/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "{}", files.len());
    for file in files.iter().filter(|file| !file.strip_prefix(&root).unwrap().starts_with(PLUGINS)) {
        let text = std::fs::read_to_string(file).unwrap();
        let product = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for (number, line) in product.lines().enumerate() {
            let bad = literals(line).find(|literal| names_an_option_or_command(literal));
            assert_eq!(bad, None, "{}:{}", file.display(), number + 1);
        }
    }
}

#[test]
fn options_and_commands_are_recognised() {
    for bad in ["use --force", "--adopt", "`irsa list` shows them", "name it (--role-name)"] {
        assert!(names_an_option_or_command(bad), "{bad}");
    }
    for good in ["gen3--qa--fence", "a -- b", "`aws eks wait cluster-active --name {name}`", "irsa"] {
        assert!(!names_an_option_or_command(good), "{good}");
    }
}

/// The Python module is thin on the library, and no second command line.
#[test]
fn the_python_module_links_nothing_of_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = std::fs::read_to_string(root.join("irsa-py/Cargo.toml")).unwrap();
    for of_the_program in ["irsa-cli", "clap", "comfy-table", "indicatif"] {
        let depends = manifest.lines().any(|line| line.starts_with(of_the_program));
        assert!(!depends, "{of_the_program}");
    }
}

/// Which refused reads are tolerated is decided in `tolerance.rs` alone.
#[test]
fn refused_reads_are_tolerated_in_one_place() {
    // Refused writes of a preview.
    const WRITES: &str = "observe/preflight.rs";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../irsa-core/src");
    let mut files = Vec::new();
    for module in ["apply", "batch", "inventory", "observe", "plan", "snapshot"] {
        sources(&root.join(module), &mut files);
        files.push(root.join(format!("{module}.rs")));
    }
    for file in files.iter().filter(|file| !file.ends_with(WRITES)) {
        let text = std::fs::read_to_string(file).unwrap();
        let product = text.split("#[cfg(test)]\nmod ").next().unwrap();
        assert!(!product.contains("== ErrorKind::AccessDenied"), "{}", file.display());
    }
}
