//! The meaning of `-p`: an existing file first, as in the script, then an ARN, then a name.

use std::path::Path;

use irsa_core::connect::Environment;
use irsa_core::{Error, Request, Result};

use crate::files;
use crate::requests::{PolicyInput, inline_name};

/// The policy as `irsa create -p` takes it: files get a `file://` prefix.
pub(super) fn as_create_takes_it(environment: &Environment, policy: &str) -> Result<String> {
    if policy.is_empty() {
        return Err(Error::invalid("policy", policy, "must be a file, an ARN or a name"));
    }
    let bare = matches!(PolicyInput::of(policy), PolicyInput::Managed(_));
    let file = bare && environment.path(Path::new(policy)).is_file();
    Ok(if file { format!("file://{policy}") } else { policy.to_owned() })
}

/// A request that removes a policy. A file removes the inline policy that it became, even if the file no longer exists;
/// everything else is a name or an ARN.
pub(super) fn remove(environment: &Environment, request: Request, policy: &str) -> Result<Request> {
    let input = as_create_takes_it(environment, policy)?;
    match PolicyInput::of(&input) {
        PolicyInput::File(path) => {
            // The name is enough if the file can no longer be read.
            let document = files::policy(environment, Path::new(path)).ok();
            request.removing_inline_policy(&inline_name(path), document)
        }
        PolicyInput::Managed(policy) => request.removing_policy(policy),
    }
}
