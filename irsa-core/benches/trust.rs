//! What the trust analyser costs: one check, and audits of 1,000, 10,000 and 100,000 roles of 2 KB against as many service
//! accounts, each in a process of its own so that its peak of memory is its own.
//!
//!     cargo bench -p irsa-core --no-default-features --bench trust
//!     cargo bench -p irsa-core --no-default-features --bench trust -- audit 10000
//!
//! Nothing is asserted; the targets stand beside: a check in 20 µs, 10,000 roles in 2 s and 300 MB, on one core.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use irsa_core::trust::{KnownAccount, Severity, Surroundings, TrustDocument, WebIdentityCaller, audit, roles_of_text};

const HOST: &str = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
const BLUE: &str = "oidc.eks.us-east-1.amazonaws.com/id/FEDCBA9876543210FEDCBA9876543210";
const PER_NAMESPACE: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [what, size] if what == "audit" => audit_of(size.parse().unwrap()),
        _ => {
            one_check();
            println!(
                "\n{:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                "roles", "KB each", "read s", "audit s", "peak MB", "findings"
            );
            for size in [1_000, 10_000, 100_000] {
                let own = std::env::current_exe().unwrap();
                let status = std::process::Command::new(own).args(["audit", &size.to_string()]).status().unwrap();
                assert!(status.success());
            }
        }
    }
}

fn one_check() {
    let text = document(&[statement(HOST, &["system:serviceaccount:ns-1:app-1".to_owned()], "StringEquals", true)]);
    let provider: irsa_core::name::ProviderArn = arn(HOST).parse().unwrap();
    let caller = WebIdentityCaller::service_account(provider, "ns-1/app-1", "sts.amazonaws.com").unwrap();
    const TIMES: u32 = 20_000;
    let began = Instant::now();
    for _ in 0..TIMES {
        black_box(TrustDocument::parse(black_box(&text)).unwrap().check(black_box(&caller)));
    }
    println!("one check, reading the document ({} characters): {:?}", text.len(), began.elapsed() / TIMES);
    let read = TrustDocument::parse(&text).unwrap();
    let began = Instant::now();
    for _ in 0..TIMES {
        black_box(read.decide(black_box(&caller)));
    }
    println!("one decision of a document that is read: {:?}", began.elapsed() / TIMES);
}

fn audit_of(size: usize) {
    let text = dump(size);
    let around = surroundings(size);
    let began = Instant::now();
    let roles = roles_of_text("dump.json", &text).roles;
    drop(text);
    let read = began.elapsed();
    let characters: usize = roles.iter().map(|role| role.trust_policy.len()).sum();
    let began = Instant::now();
    let audit = audit(roles, &around, &[]);
    let audited = began.elapsed();
    let worst = audit.findings.iter().filter(|finding| finding.severity == Severity::High).count();
    assert!(audit.roles == size && worst > 0);
    println!(
        "{size:>9} {:>9.2} {:>9.3} {:>9.3} {:>9.0} {:>9}",
        characters as f64 / size as f64 / 1000.0,
        read.as_secs_f64(),
        audited.as_secs_f64(),
        peak_of_memory(),
        audit.findings.len(),
    );
}

/// The peak of resident memory of this process, in MB.
fn peak_of_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1000.0
}

fn arn(host: &str) -> String {
    format!("arn:aws:iam::123456789012:oidc-provider/{host}")
}

fn place(index: usize) -> (String, String) {
    (format!("namespace-{}", index / PER_NAMESPACE), format!("application-{index}"))
}

fn surroundings(size: usize) -> Surroundings {
    let accounts = (0..size).map(|index| {
        let (namespace, name) = place(index);
        // One in a hundred is not there any more: then a tenth of the roles names one.
        let name = if index % 100 == 99 { format!("{name}-new") } else { name };
        KnownAccount { namespace, name, role_arn: Some(role_arn(index)) }
    });
    let audiences = || vec!["sts.amazonaws.com".to_owned(), "vault".to_owned()];
    let (host, blue) = (arn(HOST).parse().unwrap(), arn(BLUE).parse().unwrap());
    Surroundings {
        clusters: BTreeMap::from([(arn(HOST).parse().unwrap(), ("demo".to_owned(), accounts.collect()))]),
        providers: Some(BTreeMap::from([(host, audiences()), (blue, audiences())])),
    }
}

fn role_arn(index: usize) -> String {
    format!("arn:aws:iam::123456789012:role/demo-application-{index}")
}

/// What `aws iam get-account-authorization-details` prints of so many roles.
fn dump(size: usize) -> String {
    let mut text = String::from("{\"RoleDetailList\": [");
    for index in 0..size {
        let comma = if index == 0 { "" } else { "," };
        let policy =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
        write!(
            text,
            r#"{comma}{{"Path":"/","RoleName":"demo-application-{index}","Arn":"{}","AssumeRolePolicyDocument":{},
            "RolePolicyList":[{{"PolicyName":"p","PolicyDocument":{policy}}}],"Tags":[{{"Key":"team","Value":"data"}}],
            "AttachedManagedPolicies":[{{"PolicyName":"a","PolicyArn":"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}}]}}"#,
            role_arn(index),
            trust(index, size),
        )
        .unwrap();
    }
    text.push_str("]}");
    text
}

/// A trust policy of 2 KB: mostly two clusters with a list of subjects each; every tenth kind has something wrong with it.
fn trust(index: usize, size: usize) -> String {
    let sub = |offset: usize| {
        let (namespace, name) = place((index + offset) % size);
        format!("system:serviceaccount:{namespace}:{name}")
    };
    let subs: Vec<String> = (0..11).map(sub).collect();
    let (namespace, name) = place(index);
    let like = |pattern: String| vec![format!("system:serviceaccount:{pattern}")];
    let first = match index % 20 {
        0 => statement(HOST, &[like(format!("{namespace}:*")), subs.clone()].concat(), "StringLike", true),
        1 => statement(HOST, &[like(format!("*:{name}")), subs.clone()].concat(), "StringLike", true),
        2 => statement(HOST, &[like(format!("{namespace}*:*")), subs.clone()].concat(), "StringLike", true),
        3 => statement(HOST, &subs, "StringEquals", false),
        4 => statement(HOST, &[like("*".to_owned()), subs.clone()].concat(), "StringLike", true),
        _ => statement(HOST, &subs, "StringEquals", true),
    };
    document(&[first, statement(BLUE, &subs, "StringEquals", true)])
}

fn statement(host: &str, subs: &[String], operator: &str, audience: bool) -> String {
    let subs = serde_json::to_string(subs).unwrap();
    let tests = match (audience, operator) {
        (true, "StringEquals") => {
            format!(r#"{{"StringEquals":{{"{host}:aud":"sts.amazonaws.com","{host}:sub":{subs}}}}}"#)
        }
        (true, _) => {
            format!(r#"{{"StringEquals":{{"{host}:aud":"sts.amazonaws.com"}},"{operator}":{{"{host}:sub":{subs}}}}}"#)
        }
        (false, _) => format!(r#"{{"{operator}":{{"{host}:sub":{subs}}}}}"#),
    };
    let (arn, action) = (arn(host), "sts:AssumeRoleWithWebIdentity");
    format!(r#"{{"Effect":"Allow","Principal":{{"Federated":"{arn}"}},"Action":"{action}","Condition":{tests}}}"#)
}

fn document(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}
