//! Passes `--cfg irsa_mutants` where this workspace builds for its tests: in `dev`, with the variable that `.cargo/config.toml`
//! sets. `--cfg` by a build script reaches this crate alone, so dependencies are built once; not part of the published crate.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "how a build script talks with Cargo")]

use std::env::var_os;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=IRSA_MUTANTS");
    if var_os("IRSA_MUTANTS").is_some() && var_os("PROFILE").is_some_and(|profile| profile == "debug") {
        println!("cargo::rustc-cfg=irsa_mutants");
    }
}
