//! Policy documents, as a user gives them and as IAM answers them: what is taken means the same when it is written.
#![no_main]

use irsa_core::PolicyDocument;
use irsa_core::backend::AwsCall;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // As IAM sends them: URL-encoded.
    if let Ok(sent) = AwsCall::iam("GetRole", "cannot read role r").document(text)
        && let Ok(document) = PolicyDocument::from_stored(&sent)
    {
        let _ = (document.size(), document.has_deny());
    }
    let Ok(document) = PolicyDocument::parse(text) else { return };
    let again = PolicyDocument::parse(&document.minified()).expect("what was taken is taken again");
    assert_eq!(again, document);
    assert_eq!(again.size(), document.size());
});
