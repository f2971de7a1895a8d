//! Policy documents, as a user gives them and as IAM answers them: what is taken means the same when it is written.
#![no_main]

use irsa_core::PolicyDocument;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(document) = PolicyDocument::from_stored(text) {
        let _ = (document.size(), document.has_deny());
    }
    let Ok(document) = PolicyDocument::parse(text) else { return };
    let again = PolicyDocument::parse(&document.minified()).expect("what was taken is taken again");
    assert_eq!(again, document);
    assert_eq!(again.size(), document.size());
});
