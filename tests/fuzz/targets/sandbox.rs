//! The sandbox's file, as a person may have written it: read, checked, and written so that it reads the same.
#![no_main]

use irsa_core::Sandbox;
use irsa_core::sandbox::SandboxState;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(state) = serde_json::from_str::<SandboxState>(text) else { return };
    let Ok(sandbox) = Sandbox::from_state(state) else { return };
    let written = sandbox.to_json().expect("a state can be written");
    let again = Sandbox::from_state(serde_json::from_str(&written).expect("what is written reads")).expect("is taken");
    assert_eq!(again.state().expect("a state"), sandbox.state().expect("a state"));
});
