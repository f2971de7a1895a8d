//! What a fleet costs: planning so many bindings that are as they should be, and making so many new ones, on the sandbox;
//! each size in a process of its own so that its peak of memory is its own.
//!
//!     cargo bench -p irsa-core --no-default-features --bench fleet
//!     cargo bench -p irsa-core --no-default-features --bench fleet -- 1000
//!
//! Nothing is asserted; the targets stand beside: 1,000 unchanged bindings planned with at most 20 calls and in 1 s of CPU,
//! 10,000 in linear time and below 300 MB; new ones made with at most 3 calls each besides policies. Times are those of the
//! sandbox too, which holds the account in the same process; its memory is in the peak, which is that of planning.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::time::Instant;

use irsa_core::{Client, FleetOptions, IrsaBinding, Plan, Request, Sandbox};

const PER_NAMESPACE: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [size] => fleet_of(size.parse().unwrap()),
        _ => {
            println!(
                "{:>9} {:>9} {:>9} {:>9} {:>11} {:>9} {:>9}",
                "bindings", "apply s", "calls", "per new", "plan calls", "plan s", "peak MB"
            );
            for size in [10, 100, 1_000, 10_000] {
                let own = std::env::current_exe().unwrap();
                let status = std::process::Command::new(own).arg(size.to_string()).status().unwrap();
                assert!(status.success());
            }
        }
    }
}

fn fleet_of(size: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let sandbox = Sandbox::new();
    sandbox
        .edit(|state| {
            state.quotas.roles_per_account = 1_000_000;
            Ok(())
        })
        .unwrap();
    let back_end = Arc::new(sandbox.clone());
    let cluster = Arc::new(sandbox.default_cluster());
    let client = Client::new(back_end.clone(), back_end).with_cluster("sandbox".parse().unwrap(), cluster);
    let requests: Vec<Request> = (0..size).map(request).collect();
    let options = FleetOptions::new().with_writes_per_second(0.0);

    let began = Instant::now();
    let report = runtime.block_on(client.apply_all(&requests, &options, &|_| {})).unwrap();
    let applied = began.elapsed();
    assert!(report.is_complete());
    let calls = sandbox.calls().len();
    drop(report);
    sandbox.faults().clear_calls();

    // From here on the peak counts anew (proc(5), `clear_refs`).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let began = Instant::now();
    let plans = runtime.block_on(client.plan_all(&requests)).unwrap();
    let planned = began.elapsed();
    assert!(plans.iter().all(|plan| plan.as_ref().is_ok_and(Plan::is_empty)));
    let peak = peak_of_memory();
    println!(
        "{size:>9} {:>9.2} {calls:>9} {:>9.2} {:>11} {:>9.3} {peak:>9}",
        applied.as_secs_f64(),
        calls as f64 / size as f64,
        sandbox.calls().len(),
        planned.as_secs_f64(),
    );
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
