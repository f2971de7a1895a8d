//! What a file declares: bindings, each with its place in the file.

use std::collections::BTreeMap;

use super::document::FilePlace;
use crate::binding::IrsaBinding;
use crate::error::Result;
use crate::name::{Region, RoleArn};
use crate::request::Request;

/// A binding that a file declares.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Declared {
    /// The binding.
    pub binding: IrsaBinding,
    /// Where it begins.
    pub place: FilePlace,
    /// Whether its role, where none is named, is one that eksctl has made: to be found by
    /// [`Client::finding_roles`](crate::Client::finding_roles).
    pub made_by_eksctl: bool,
    /// The role that must exist, for [`Request::with_existing_role`](crate::Request::with_existing_role).
    pub existing_role: Option<RoleArn>,
    /// Names of inline policies that eksctl gave a role for what is declared, each with the declared inline policy that takes
    /// its place; with nothing, a managed policy does. For [`Request::replacing_policy`](crate::Request::replacing_policy).
    pub replaced_policies: BTreeMap<String, Option<String>>,
}

impl Declared {
    /// The request that creates the binding, with everything that the file says of its role.
    ///
    /// # Errors
    /// Those of [`Request::replacing_policy`](crate::Request::replacing_policy).
    pub fn request(&self) -> Result<Request> {
        let request = Request::create(self.binding.clone()).with_existing_role(self.existing_role.clone());
        self.replaced_policies
            .iter()
            .try_fold(request, |request, (name, by)| request.replacing_policy(name, by.as_deref()))
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ManifestFile {
    /// Its bindings, in their order.
    pub bindings: Vec<Declared>,
    /// What it says that cannot be honoured, each with its place.
    pub ignored: Vec<String>,
    /// The region of its clusters, where it names one.
    pub region: Option<Region>,
}
