//! The texts of an audit, looked up by finding.

use std::collections::BTreeMap;
use std::path::PathBuf;

use irsa_core::trust::Finding;
use serde_json::Value;

use super::{Part, Places, Spot};

/// A text that was audited.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Its name as the user knows it.
    pub(crate) name: String,
    /// Its name as seen from the current folder, without what is of this machine alone.
    pub(crate) path: PathBuf,
    /// The text.
    pub(crate) text: String,
}

/// The texts, by the names of their files.
#[derive(Debug)]
pub(crate) struct Originals<'a>(BTreeMap<&'a str, (&'a Document, Places<'a>)>);

impl<'a> Originals<'a> {
    pub(crate) fn new(documents: &'a [Document]) -> Self {
        let each = documents.iter().map(|document| (document.name.as_str(), (document, Places::of(&document.text))));
        Self(each.collect())
    }

    /// The file of a finding, and where in it the statement stands; nothing for a role that was read from AWS.
    pub(crate) fn place(&self, finding: &Finding) -> Option<(&'a Document, Option<Spot<'a>>)> {
        let (document, places, part) = self.find(finding)?;
        Some((document, places.find(part, finding.statement.as_deref())))
    }

    /// The trust policy that a finding is about, as it is.
    pub(crate) fn document(&self, finding: &Finding) -> Option<Value> {
        let (_, places, part) = self.find(finding)?;
        serde_json::from_str(places.document(part)?).ok().filter(Value::is_object)
    }

    fn find<'f>(&self, finding: &'f Finding) -> Option<(&'a Document, &Places<'a>, Part<'f>)> {
        let source = finding.source.as_deref()?;
        // The core says after the name of a file which part of it is meant.
        let cuts = source.match_indices(", ").map(|(at, _)| at);
        let (document, places, rest) = std::iter::once(source.len()).chain(cuts).find_map(|at| {
            let (name, rest) = source.split_at_checked(at)?;
            self.0.get(name).map(|(document, places)| (*document, places, rest))
        })?;
        Some((document, places, Part::of(finding.role_arn.as_deref(), rest)))
    }
}
