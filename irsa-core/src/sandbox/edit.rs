//! What a test or a person does to the account by hand: states that no call of irsa would make. None of it is a call.

use super::defaults::role_id;
use super::file::print;
use super::state::{PolicyState, ProviderState, RoleState, SandboxState};
use super::{Sandbox, SandboxCluster};
use crate::error::Result;
use crate::name::{ClusterRef, Issuer, PolicyArn, RoleName};

impl Sandbox {
    /// Changes the state in any way; where the closure fails, or no account could hold the result, nothing is changed.
    ///
    /// The sandbox waits while the closure runs, so the closure has only the state, not the sandbox.
    ///
    /// ```
    /// let sandbox = irsa_core::Sandbox::new();
    /// sandbox.edit(|state| {
    ///     state.quotas.attached_policies_per_role = 2;
    ///     Ok(())
    /// })?;
    /// # Ok::<(), irsa_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the closure, and those of [`from_state`](Sandbox::from_state) and [`open`](Sandbox::open).
    pub fn edit<T>(&self, change: impl FnOnce(&mut SandboxState) -> Result<T>) -> Result<T> {
        let answer = self.store().write(|state| {
            let mut next = state.clone();
            let value = change(&mut next)?;
            *state = next.complete()?;
            Ok(value)
        })?;
        answer.map_err(|refusal| refusal.during("cannot edit the sandbox"))
    }

    /// Makes an active cluster, without a provider; an ARN names one of another region, an issuer one unknown to EKS.
    ///
    /// # Errors
    /// `InvalidInput` for an ARN of another account; those of [`edit`](Self::edit).
    pub fn add_cluster(&self, cluster: &ClusterRef) -> Result<SandboxCluster> {
        self.edit(|state| {
            let described = state.new_cluster(cluster);
            state.clusters.insert(state.cluster_key(cluster), described);
            Ok(())
        })?;
        Ok(self.cluster(cluster))
    }

    /// Makes the provider of an issuer, for tokens for STS.
    ///
    /// # Errors
    /// Those of [`edit`](Self::edit).
    pub fn add_provider(&self, issuer: &Issuer) -> Result<()> {
        self.edit(|state| {
            state.providers.insert(issuer.clone(), ProviderState::for_sts());
            Ok(())
        })
    }

    /// Removes the provider of an issuer.
    ///
    /// # Errors
    /// Those of [`edit`](Self::edit).
    pub fn remove_provider(&self, issuer: &Issuer) -> Result<()> {
        self.edit(|state| {
            state.providers.remove(issuer);
            Ok(())
        })
    }

    /// Makes or replaces a role, however half-made; an empty id means a new one.
    ///
    /// # Errors
    /// Those of [`edit`](Self::edit).
    pub fn put_role(&self, name: &RoleName, role: RoleState) -> Result<()> {
        self.edit(|state| {
            let id = if role.id.is_empty() { role_id(state.next_id()) } else { role.id.clone() };
            state.roles.insert(name.clone(), RoleState { id, ..role });
            Ok(())
        })
    }

    /// Removes a role with everything on it.
    ///
    /// # Errors
    /// Those of [`edit`](Self::edit).
    pub fn remove_role(&self, name: &RoleName) -> Result<()> {
        self.edit(|state| {
            state.roles.retain(|known, _| !known.as_str().eq_ignore_ascii_case(name.as_str()));
            state.instance_profiles.retain(|_, held| !held.as_str().eq_ignore_ascii_case(name.as_str()));
            Ok(())
        })
    }

    /// Makes a customer-managed policy; `path` begins and ends with `/`.
    ///
    /// # Errors
    /// `InvalidInput` for a path or a name that no policy has; those of [`edit`](Self::edit).
    pub fn add_policy(&self, path: &str, name: &str) -> Result<PolicyArn> {
        self.edit(|state| {
            let arn = PolicyArn::new(&state.partition, Some(&state.account), path, name)?;
            state.policies.insert(name.to_owned(), PolicyState { path: path.to_owned(), ..PolicyState::default() });
            Ok(arn)
        })
    }

    /// Removes a customer-managed policy, from roles too.
    ///
    /// # Errors
    /// Those of [`edit`](Self::edit).
    pub fn remove_policy(&self, arn: &PolicyArn) -> Result<()> {
        self.edit(|state| {
            state.policies.remove(arn.name());
            for role in state.roles.values_mut() {
                role.attached.remove(arn);
            }
            Ok(())
        })
    }

    /// Makes an instance profile that holds a role.
    ///
    /// # Errors
    /// `InvalidInput` when there is no such role; those of [`edit`](Self::edit).
    pub fn add_instance_profile(&self, name: &str, role: &RoleName) -> Result<()> {
        self.edit(|state| {
            state.instance_profiles.insert(name.to_owned(), role.clone());
            Ok(())
        })
    }

    /// Removes an instance profile.
    ///
    /// # Errors
    /// Those of [`edit`](Self::edit).
    pub fn remove_instance_profile(&self, name: &str) -> Result<()> {
        self.edit(|state| {
            state.instance_profiles.remove(name);
            Ok(())
        })
    }

    /// The state as its file has it.
    ///
    /// # Errors
    /// Those of [`state`](Self::state).
    pub fn to_json(&self) -> Result<String> {
        print(&self.state()?)
    }
}
