//! Compares the public API of irsa-core with the list that is checked in, so that reviews see every change of it.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
#[ignore = "reads rustdoc's JSON, which `tests/run public-api` makes"]
fn public_api_of_irsa_core_is_the_one_checked_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let api = public_api::Builder::from_rustdoc_json(root.join("target/doc/irsa_core.json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap();
    let (found, known) = (api.to_string(), root.join("irsa-core/public-api.txt"));
    let known = std::fs::read_to_string(known).unwrap_or_default();
    if found != known {
        std::fs::write(root.join("target/public-api.txt"), &found).unwrap();
        let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (known.lines().collect(), found.lines().collect());
        let removed = old.difference(&new).map(|line| format!("- {line}\n"));
        let added = new.difference(&old).map(|line| format!("+ {line}\n"));
        let changes: String = removed.chain(added).collect();
        panic!("the public API changed; if that is meant: cp target/public-api.txt irsa-core/\n{changes}");
    }
}
