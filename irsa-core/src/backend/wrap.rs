//! Delegation for wrappers of a back end: they write what they change, and the rest goes to the back end within.

/// Implements [`IamBackend`](crate::backend::IamBackend) for a wrapper: reads as given, each write by the back end that the
/// expression gives.
macro_rules! wrap_iam {
    (impl IamBackend for $wrapper:ty; writes by |$this:ident| $inner:expr; $($reads:tt)*) => {
        wrap_iam! {
            @ $wrapper, $this, $inner, { $($reads)* }
            create_role(role: &NewRole) -> Role,
            update_trust_policy(name: &RoleName, document: &str) -> (),
            update_role(name: &RoleName, settings: &RoleSettings) -> (),
            put_permissions_boundary(name: &RoleName, boundary: &PolicyArn) -> (),
            tag_role(name: &RoleName, tags: &BTreeMap<String, String>) -> (),
            untag_role(name: &RoleName, keys: &BTreeSet<String>) -> (),
            attach_policy(name: &RoleName, policy: &PolicyArn) -> (),
            detach_policy(name: &RoleName, policy: &PolicyArn) -> (),
            put_inline_policy(name: &RoleName, policy: &InlinePolicyName, document: &str) -> (),
            delete_inline_policy(name: &RoleName, policy: &InlinePolicyName) -> (),
            delete_role(name: &RoleName) -> (),
            create_provider(provider: &OidcProvider) -> OidcProvider,
            add_audience(provider: &ProviderArn, audience: &Audience) -> (),
            delete_provider(provider: &ProviderArn) -> (),
        }
    };
    (
        @ $wrapper:ty, $this:ident, $inner:expr, { $($reads:tt)* }
        $($method:ident($($argument:ident: &$type:ty),+) -> $answer:ty,)+
    ) => {
        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl IamBackend for $wrapper {
            $($reads)*

            $(async fn $method(&self, $($argument: &$type),+) -> Result<$answer> {
                let $this = self;
                $inner.$method($($argument),+).await
            })+
        }
    };
}
pub(crate) use wrap_iam;
