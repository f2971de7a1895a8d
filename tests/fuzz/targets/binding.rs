//! A role and an account as others may have left them: a create ends, and lets in nobody whom neither the old trust policy
//! nor the declaration lets in. The input is the trust policy, then, each on a line of its own, the annotation and the value
//! of a tag.
#![no_main]

use std::sync::Arc;

use irsa_core::sandbox::{RoleState, ServiceAccountState};
use irsa_core::trust::{Decision, TrustDocument, WebIdentityCaller};
use irsa_core::{Client, IrsaBinding, ROLE_ARN_ANNOTATION, Request, Sandbox};
use libfuzzer_sys::fuzz_target;

const ROLE: &str = "sandbox-default-sa";
const STRANGERS: [&str; 2] = ["system:serviceaccount:default:other", "system:serviceaccount:kube-system:sa"];

fn decides(document: &TrustDocument, subject: &str) -> Vec<Decision> {
    let ask = |provider| document.decide(&WebIdentityCaller::new(provider, subject, "sts.amazonaws.com"));
    document.providers().into_iter().map(ask).collect()
}

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (policy, annotation, tag) = (lines.next(), lines.next(), lines.next());
    let Some(policy) = policy.and_then(|policy| serde_json::from_str::<serde_json::Value>(policy).ok()) else { return };
    let sandbox = Sandbox::new();
    let mut role = RoleState::new(policy.clone());
    if let Some(value) = tag {
        role.tags.insert("irsa.gen3.org/owner".to_owned(), value.to_owned());
    }
    if sandbox.put_role(&ROLE.parse().expect("a name"), role).is_err() {
        return;
    }
    if let Some(annotation) = annotation {
        let mut account = ServiceAccountState::default();
        account.annotations.insert(ROLE_ARN_ANNOTATION.to_owned(), annotation.to_owned());
        let _ = sandbox.default_cluster().put_service_account("default", "sa", account);
    }
    let back_end = Arc::new(sandbox.clone());
    let client = Client::new(back_end.clone(), back_end)
        .with_cluster("sandbox".parse().expect("a name"), Arc::new(sandbox.default_cluster()));
    let binding = IrsaBinding::builder("sandbox", "default", "sa").build().expect("a binding");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let run = |request: Request| runtime.block_on(client.run(&request));
    let done = run(Request::create(binding.clone()).with_adopt(true));
    let after = sandbox.state().expect("a state").roles[ROLE].trust_policy.clone();
    if done.is_err() {
        return;
    }
    if let (Ok(before), Ok(after)) = (TrustDocument::from_value(&policy), TrustDocument::from_value(&after)) {
        for stranger in STRANGERS {
            let new = decides(&after, stranger).contains(&Decision::Allow)
                && decides(&before, stranger).iter().all(|decision| *decision == Decision::Deny);
            assert!(!new, "{stranger} is let in by {after:?}, not by {policy}");
        }
    }
    let again = run(Request::create(binding.clone()).with_adopt(true)).expect("what was done can be done again");
    assert!(!again.changed, "{:?}", again.steps);
    let _ = run(Request::delete(binding));
});
