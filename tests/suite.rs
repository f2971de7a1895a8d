//! All tests that need more than one file of the crates, in one program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]

mod admission;
mod adversities;
mod audit;
mod bad_cases;
mod cli;
mod cluster_policies;
mod contract;
mod delete;
mod depth;
mod failures;
mod faults;
mod fleet;
mod flow;
mod holdings;
mod house;
mod inventory;
mod layers;
mod logs;
mod properties;
mod prune;
mod public_api;
mod refusals;
mod rights;
mod shared;
mod stored;
mod trust;
mod world;

/// A file that no list of modules names would silently not run.
#[test]
fn no_file_is_forgotten() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        ("", "suite.rs"),
        ("cli", "cli.rs"),
        ("cli/gen3", "cli/gen3.rs"),
        ("contract", "contract.rs"),
        ("faults", "faults.rs"),
        ("trust", "trust.rs"),
    ];
    for (folder, parent) in folders {
        let modules = std::fs::read_to_string(root.join(parent)).unwrap();
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(module) = name.strip_suffix(".rs").filter(|_| name != "suite.rs") {
                assert!(modules.contains(&format!("\nmod {module};")), "{parent} does not name {folder}/{name}");
            }
        }
    }
}
