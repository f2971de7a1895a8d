//! The log of `-v`, on stderr.

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Logs until the guard is dropped: progress with `-v`, every call with `-vv`. The log contains no secrets.
pub(crate) fn start(verbose: u8, colour: bool) -> Option<DefaultGuard> {
    let directives = match verbose {
        0 => return None,
        1 => "irsa_core=info,irsa_cli=info",
        _ => "irsa_core=debug,irsa_cli=debug,aws_config=info,kube_client=info",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .without_time()
        .finish();
    Some(subscriber.set_default())
}
