//! All tests that need more than one file of the crates, in one program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]

mod adversities;
mod cli;
mod delete;
mod depth;
mod failures;
mod flow;
mod inventory;
mod properties;
mod refusals;
mod world;

/// A file that is not in the list above would silently not run.
#[test]
fn no_file_is_forgotten() {
    let suite = include_str!("suite.rs");
    for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "suite") {
            assert!(suite.contains(&format!("\nmod {module};")), "{name} is not part of the suite");
        }
    }
}
