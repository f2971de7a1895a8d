//! The drop-in for gen3's script `iam-serviceaccount` (uc-cdis/cloud-automation): its options become a request of the core,
//! and what its callers read goes to standard output. There is no second path.
//!
//! ```text
//! args/gen3.rs -> request.rs -> resolve.rs -> the core -> output/gen3.rs
//! what was typed  request       which cluster             what callers read
//! ```

mod policy;
mod request;
mod resolve;

use std::ffi::OsString;
use std::path::Path;

use irsa_core::connect::{Environment, Target};
use irsa_core::{BindingState, BindingStatus, CancellationToken, Error, ErrorKind, Report};

use self::request::Asked;
pub(crate) use self::request::{Kind, Wish, wish};
pub(crate) use self::resolve::VPC_NAME;
use crate::connect::Connect;

/// The name that the script had, and that the command has.
const NAME: &str = "iam-serviceaccount";

/// The line with the command in it, where the program was called by the name of the script.
pub(crate) fn by_name(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let program = arguments.first().map(Path::new).and_then(Path::file_stem);
    if program.is_some_and(|program| program == NAME) {
        arguments.insert(1, NAME.into());
    }
    arguments
}

/// What came of a wish.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Something was changed, or would be.
    Report { kind: Kind, request: Box<irsa_core::Request>, report: Box<Report> },
    /// How the binding stands.
    View(Box<BindingStatus>),
}

/// Finds out which environment and cluster are meant, and does what is wished for.
///
/// The error says whether it came before any call.
pub(crate) async fn grant(
    wish: &Wish,
    environment: &Environment,
    target: &Target,
    connect: &dyn Connect,
    cancellation: &CancellationToken,
) -> Result<Told, (bool, Error)> {
    let (client, asked) = tokio::select! {
        settled = resolve::settle(wish, environment, target, connect) => settled?,
        () = cancellation.cancelled() => return Err((false, Error::new(ErrorKind::Interrupted, "interrupted"))),
    };
    match asked {
        Asked::Bind(request) => {
            let report = client.run_until(&request, cancellation).await.map_err(|error| (false, error))?;
            Ok(Told::Report { kind: wish.kind(), request, report: Box::new(report) })
        }
        Asked::View(binding) => {
            let view = client.view(&binding).await.map_err(|error| (false, error))?;
            match unread(&view) {
                Some(error) => Err((false, error)),
                None => Ok(Told::View(Box::new(view))),
            }
        }
    }
}

/// Why the policies of a role cannot be listed. No line would say that it has none.
fn unread(view: &BindingStatus) -> Option<Error> {
    if !matches!(view.state, BindingState::Dangling | BindingState::Unknown) {
        return None;
    }
    let (namespace, name) = (&view.namespace, &view.service_account);
    let error = Error::new(ErrorKind::NotFound, format!("the policies of {namespace}/{name} cannot be listed"));
    let error = view.issues.iter().fold(error, |error, issue| error.with_cause(issue.message.clone()));
    Some(error.with_hint("create the role anew with -c, or take the annotation away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn called_by_the_name_of_the_script_the_program_is_the_drop_in() {
        let line = |words: &str| by_name(words.split(' ').map(OsString::from).collect());
        for program in ["iam-serviceaccount", "/opt/gen3/bin/iam-serviceaccount", "./iam-serviceaccount.sh"] {
            assert_eq!(line(&format!("{program} -l x")), [program, NAME, "-l", "x"].map(OsString::from));
        }
        for program in ["irsa", "/iam-serviceaccount/irsa", "iam-serviceaccounts"] {
            assert_eq!(line(&format!("{program} -l x")), [program, "-l", "x"].map(OsString::from));
        }
        assert!(by_name(Vec::new()).is_empty());
    }
}
