//! What a fleet costs: planning so many bindings that are as they should be, and making so many new ones, on the sandbox;
//! each size in a process of its own so that its peak of memory is its own.
//!
//!     cargo bench -p irsa-core --no-default-features --features test-util --bench fleet
//!     cargo bench -p irsa-core --no-default-features --features test-util --bench fleet -- 1000
//!
//! Nothing is asserted; the targets stand beside: 1,000 unchanged bindings planned with at most 20 calls and in 1 s of CPU,
//! 10,000 in linear time and below 300 MB; new ones made with at most 3 calls each besides policies. Times are those of the
//! sandbox too, which holds the account in the same process; its memory is in the peak, which is that of a process that does nothing but plan.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people")]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use irsa_core::{Client, FleetOptions, IrsaBinding, Plan, Request, Sandbox};

const PER_NAMESPACE: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [size] => made(size.parse().unwrap()),
        [size, file] => planned(size.parse().unwrap(), file),
        _ => {
            println!(
                "{:>9} {:>9} {:>9} {:>9} {:>11} {:>9} {:>9}",
                "bindings", "apply s", "calls", "per new", "plan calls", "plan s", "peak MB"
            );
            for size in [10, 100, 1_000, 10_000] {
                run(&[&size.to_string()]);
            }
        }
    }
}

/// Runs this program in a process of its own.
fn run(arguments: &[&str]) {
    let own = std::env::current_exe().unwrap();
    assert!(std::process::Command::new(own).args(arguments).status().unwrap().success());
}

fn made(size: usize) {
    let sandbox = Sandbox::new();
    sandbox
        .edit(|state| {
            state.quotas.roles_per_account = 1_000_000;
            Ok(())
        })
        .unwrap();
    let (client, requests) = (client(&sandbox), requests(size));
    let options = FleetOptions::new().with_writes_per_second(0.0);
    let began = Instant::now();
    let report = runtime().block_on(client.apply_all(&requests, &options, &|_| {})).unwrap();
    let applied = began.elapsed().as_secs_f64();
    assert!(report.is_complete());
    let calls = sandbox.calls().len();
    print!("{size:>9} {applied:>9.2} {calls:>9} {:>9.2}", calls as f64 / size as f64);
    std::io::stdout().flush().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sandbox.to_json().unwrap()).unwrap();
    run(&[&size.to_string(), &file.path().to_string_lossy()]);
}

fn planned(size: usize, file: &str) {
    let state = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let sandbox = Sandbox::from_state(state).unwrap();
    let (client, requests) = (client(&sandbox), requests(size));
    let began = Instant::now();
    let plans = runtime().block_on(client.plan_all(&requests)).unwrap();
    let planned = began.elapsed().as_secs_f64();
    assert!(plans.iter().all(|plan| plan.as_ref().is_ok_and(Plan::is_empty)));
    println!(" {:>11} {planned:>9.3} {:>9}", sandbox.calls().len(), peak_of_memory());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn client(sandbox: &Sandbox) -> Client {
    let back_end = Arc::new(sandbox.clone());
    let cluster = Arc::new(sandbox.default_cluster());
    Client::new(back_end.clone(), back_end).with_cluster("sandbox".parse().unwrap(), cluster)
}

fn requests(size: usize) -> Vec<Request> {
    (0..size).map(request).collect()
}

/// A binding with one managed and one inline policy: two policies, so that five calls make a new one.
fn request(n: usize) -> Request {
    let document = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::bucket-{n}/*"}}]}}"#
    );
    let namespace = if (n / PER_NAMESPACE).is_multiple_of(2) { "default" } else { "kube-system" };
    let binding = IrsaBinding::builder("sandbox", namespace, format!("service-account-{n}"))
        .with_policy("AmazonS3ReadOnlyAccess")
        .with_inline_policy("bucket", document)
        .with_tag("team", "data")
        .build();
    Request::create(binding.unwrap())
}

/// The peak of resident memory of this process, in MB; 0 where the system does not tell.
fn peak_of_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}
