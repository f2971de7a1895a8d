//! What `-p` means: an existing file first, as the script had it, then an ARN, then a name.

use std::path::Path;

use irsa_core::connect::Environment;
use irsa_core::{Error, Request, Result};

use crate::files;
use crate::requests::{PolicyInput, inline_name};

/// The policy as `irsa create -p` takes it: what is a file is spelt as one.
pub(super) fn spelt(environment: &Environment, policy: &str) -> Result<String> {
    if policy.is_empty() {
        return Err(Error::invalid("policy", policy, "must be a file, an ARN or a name"));
    }
    let bare = matches!(PolicyInput::of(policy), PolicyInput::Managed(_));
    let file = bare && environment.path(Path::new(policy)).is_file();
    Ok(if file { format!("file://{policy}") } else { policy.to_owned() })
}

/// A request that takes a policy away: by a file, which need not be there any more where the role still has its policy, the
/// inline policy that it became; otherwise whatever the name or ARN means.
pub(super) fn removed(environment: &Environment, request: Request, policy: &str) -> Result<Request> {
    let spelt = spelt(environment, policy)?;
    match PolicyInput::of(&spelt) {
        PolicyInput::File(path) => {
            // A file that says nothing any more still has its name.
            let document = files::policy(environment, Path::new(path)).ok();
            request.removing_inline_policy(&inline_name(path), document)
        }
        PolicyInput::Managed(policy) => request.removing_policy(policy),
    }
}
