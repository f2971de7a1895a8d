//! What the library logs.

use std::io;
use std::sync::{Arc, Mutex};

use irsa_core::Request;
use tracing_subscriber::fmt::MakeWriter;

use crate::world::World;

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Two bindings at once wait for IAM while they write: each line says whose it is.
#[tokio::test(start_paused = true)]
async fn lines_of_concurrent_runs_name_their_binding() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _default = tracing::subscriber::set_default(subscriber);
    let world = World::new();
    let faults = world.sandbox.faults();
    let not_yet = ("NoSuchEntity", "The role cannot be found");
    faults.fail_before(("attach_policy", 1), not_yet).fail_before(("attach_policy", 2), not_yet);
    let [one, other] = ["one", "other"].map(|name| {
        let binding = irsa_core::IrsaBinding::builder("sandbox", "default", name).with_policy("ReadOnlyAccess");
        Request::create(binding.build().unwrap())
    });
    let (one, other) = tokio::join!(world.client.run(&one), world.client.run(&other));
    assert!(one.unwrap().changed && other.unwrap().changed);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let retries: Vec<&str> = text.lines().filter(|line| line.contains("retrying")).collect();
    assert_eq!(retries.len(), 2, "{text}");
    for binding in ["default/one", "default/other"] {
        assert_eq!(retries.iter().filter(|line| line.contains(&format!("binding={binding}"))).count(), 1, "{text}");
    }
}
