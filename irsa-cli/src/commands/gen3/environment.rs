//! Variables and kubeconfig settings that gen3's script reads.

use irsa_core::Result;
use irsa_core::connect::{Environment, Target};

/// Variable with the name of the gen3 environment.
pub(in crate::commands) const VPC_NAME: &str = "vpc_name";
/// Variable with the namespace.
const KUBECTL_NAMESPACE: &str = "KUBECTL_NAMESPACE";

/// Namespace of the gen3 environment, and of service accounts without `-n`.
pub(super) fn namespace(environment: &Environment, target: &Target) -> Result<String> {
    if let Some(namespace) = environment.variable(KUBECTL_NAMESPACE) {
        return Ok(namespace.to_owned());
    }
    Ok(target.context_namespace(environment)?.unwrap_or_else(|| "default".to_owned()))
}
