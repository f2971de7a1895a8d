//! Manifests and eksctl's configurations: what cannot be read is told with its place.
#![no_main]

use irsa_core::ErrorKind;
use irsa_core::manifest::read;
use libfuzzer_sys::fuzz_target;

const POLICY: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;

fuzz_target!(|text: &str| {
    let cluster = "demo".parse().expect("a name");
    let lines = text.matches(['\n', '\r']).count() as u64 + 1;
    match read("fuzzed.yaml", text, Some(&cluster), &|_| Ok(POLICY.to_owned())) {
        Ok(file) => {
            for declared in &file.bindings {
                assert!((1..=lines).contains(&declared.place.line), "{} of {lines} lines", declared.place);
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
            let told = error.to_string();
            let line = told.strip_prefix("fuzzed.yaml:").and_then(|rest| rest.split(':').next()?.parse::<u64>().ok());
            assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "no place among {lines} lines: {told}");
        }
    }
});
