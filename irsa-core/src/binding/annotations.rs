//! Annotations and labels of service accounts that concern a binding.

/// The annotation that binds a service account to a role (amazon-eks-pod-identity-webhook, `role-arn`).
pub const ROLE_ARN_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
/// The annotation that names the audience of the projected token.
pub const AUDIENCE_ANNOTATION: &str = "eks.amazonaws.com/audience";
/// The annotation that sets the lifetime of the projected token, in seconds.
pub const TOKEN_EXPIRATION_ANNOTATION: &str = "eks.amazonaws.com/token-expiration";
/// The annotation that chooses regional STS endpoints.
pub const STS_REGIONAL_ENDPOINTS_ANNOTATION: &str = "eks.amazonaws.com/sts-regional-endpoints";
/// The label that names the tool that deploys an object (Kubernetes, recommended labels). irsa never writes it.
pub(crate) const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The annotation of service accounts that irsa made, which it may therefore delete.
pub const CREATED_ANNOTATION: &str = "irsa.gen3.org/created";
/// What every tag and annotation that belongs to irsa itself begins with.
pub const OWN_PREFIX: &str = "irsa.gen3.org/";
