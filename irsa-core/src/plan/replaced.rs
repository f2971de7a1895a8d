//! Inline policies of another tool that declared policies take the place of, on the role as it is.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::name::InlinePolicyName;
use crate::observe::ObservedRole;
use crate::request::Request;

/// What becomes of the policies that a request replaces.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// Those that a declared document is written over.
    pub(super) in_place: BTreeSet<InlinePolicyName>,
    /// Those that are deleted once what replaces them is there.
    pub(super) deleted: BTreeSet<InlinePolicyName>,
}

impl Replaced {
    /// The request with its inline policies under the names that they have on the role, and what becomes of the others.
    ///
    /// A document is written over the first policy that it replaces, so that the tool that made it still finds it by its
    /// name; unless the role has one of the declared name already.
    pub(super) fn of<'a>(request: &'a Request, role: Option<&ObservedRole>) -> (Cow<'a, Request>, Self) {
        let mut replaced = Self::default();
        let Some(role) = role.filter(|_| !request.replaced.is_empty()) else {
            return (Cow::Borrowed(request), replaced);
        };
        let mut named = request.clone();
        for (name, by) in request.replaced.iter().filter(|(name, _)| role.inline.contains_key(*name)) {
            let documents = &mut named.binding.inline_policies;
            // A document that is declared under this very name stays there.
            if documents.contains_key(name) {
                continue;
            }
            let free = by.as_ref().filter(|by| !role.inline.contains_key(*by));
            match free.and_then(|by| documents.remove(by)) {
                Some(document) => {
                    documents.insert(name.clone(), document);
                    replaced.in_place.insert(name.clone());
                }
                None => drop(replaced.deleted.insert(name.clone())),
            }
        }
        (Cow::Owned(named), replaced)
    }
}
