//! Files and dumps of accounts, URL-encoded documents among them: an audit ends, and its repairs let nobody new in.
#![no_main]

use irsa_core::trust::{Decision, Surroundings, TrustDocument, WebIdentityCaller, audit, roles_of_text, who_can};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let roles = roles_of_text("fuzzed.json", text).roles;
    let around = Surroundings::default();
    for role in &roles {
        let _ = who_can(role, &around);
        let audit = audit([role.clone()], &around, &[]);
        let Ok(before) = TrustDocument::parse(&role.trust_policy) else { continue };
        for fix in audit.findings.iter().filter_map(|finding| finding.fix.as_ref()) {
            let after = TrustDocument::from_value(fix).expect("a repair is a policy");
            for provider in after.providers() {
                let caller = WebIdentityCaller::new(provider, "system:serviceaccount:default:sa", "sts.amazonaws.com");
                let new = after.decide(&caller) == Decision::Allow && before.decide(&caller) == Decision::Deny;
                assert!(!new, "a repair lets {caller:?} in: {fix}");
            }
        }
    }
});
