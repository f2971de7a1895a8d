//! Round trips: with the same delay for every call and tokio's paused clock, the time taken is the depth, exactly.

use std::sync::Arc;
use std::time::Duration;

use irsa_core::{Client, IrsaBindingBuilder, Request, Sandbox};
use tokio::time::Instant;

use crate::world::World;

const DELAY: Duration = Duration::from_millis(50);

/// The dependent calls of a request, and all its calls.
async fn depth(client: &Client, sandbox: &Sandbox, request: &Request) -> (u128, usize) {
    sandbox.faults().clear_calls();
    sandbox.faults().delay_every_call(DELAY);
    let begun = Instant::now();
    client.run(request).await.unwrap();
    let taken = begun.elapsed();
    sandbox.faults().clear();
    assert_eq!(taken.as_millis() % DELAY.as_millis(), 0, "only calls take time");
    (taken.as_millis() / DELAY.as_millis(), sandbox.calls().len())
}

fn full() -> IrsaBindingBuilder {
    let document = serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]});
    World::binding()
        .with_policy("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess")
        .with_inline_document("one", document.clone())
        .with_inline_document("two", document)
        .with_permissions_boundary("arn:aws:iam::aws:policy/PowerUserAccess")
        .with_subject("kube-system/x")
        .with_trust_only_subject("default/y")
        .with_tag("team", "data")
}

#[tokio::test(start_paused = true)]
async fn a_new_binding_takes_four_round_trips_and_an_unchanged_one_two() {
    for through_eks in [false, true] {
        for (name, binding) in [("plain", World::binding()), ("with everything", full())] {
            let sandbox = Sandbox::new();
            let back_end = Arc::new(sandbox.clone());
            let client = || {
                let client = Client::new(back_end.clone(), back_end.clone());
                let mut cluster = sandbox.default_cluster();
                if through_eks {
                    cluster = cluster.reached_through(client.identity_backend());
                }
                client.with_cluster("sandbox".parse().unwrap(), Arc::new(cluster))
            };
            let request = Request::create(binding.build().unwrap());
            // A new client each time: nothing is remembered from before.
            let (new, new_calls) = depth(&client(), &sandbox, &request).await;
            let (unchanged, unchanged_calls) = depth(&client(), &sandbox, &request).await;
            #[allow(clippy::print_stdout)] // The figures are what this test is for.
            {
                println!(
                    "{name}, through EKS {through_eks}: new {new} deep, {new_calls} calls; unchanged {unchanged} deep, {unchanged_calls} calls"
                );
            }
            assert_eq!((new, unchanged), (4, 2), "{name}, through EKS: {through_eks}");
        }
    }
}
