//! The files of an audit, looked up by finding.

use std::collections::BTreeMap;
use std::path::PathBuf;

use irsa_core::trust::Finding;
use serde_json::Value;

use super::{Part, SourceMap, Span};

/// File that was audited.
#[derive(Clone, Debug)]
pub(crate) struct AuditedFile {
    /// Name as the user gave it.
    pub(crate) name: String,
    /// Path relative to the current directory, without anything specific to this machine.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Source maps by file name.
#[derive(Debug, Default)]
pub(crate) struct SourceMaps<'a>(BTreeMap<&'a str, (&'a AuditedFile, SourceMap<'a>)>);

impl<'a> SourceMaps<'a> {
    pub(crate) fn new(files: &'a [AuditedFile]) -> Self {
        let each = files.iter().map(|file| (file.name.as_str(), (file, SourceMap::of(&file.text))));
        Self(each.collect())
    }

    /// File and lines of a finding; nothing for a role that was read from AWS.
    pub(crate) fn location(&self, finding: &Finding) -> Option<(&'a AuditedFile, Option<Span<'a>>)> {
        let (file, map, part) = self.find(finding)?;
        Some((file, map.find(part, finding.statement.as_deref())))
    }

    /// Trust policy that a finding is about.
    pub(crate) fn document(&self, finding: &Finding) -> Option<Value> {
        let (_, map, part) = self.find(finding)?;
        serde_json::from_str(map.document(part)?).ok().filter(Value::is_object)
    }

    fn find<'f>(&self, finding: &'f Finding) -> Option<(&'a AuditedFile, &SourceMap<'a>, Part<'f>)> {
        let source = finding.source.as_deref()?;
        // The library names the part of the file after the file.
        let cuts = source.match_indices(", ").map(|(at, _)| at);
        let (file, map, rest) = std::iter::once(source.len()).chain(cuts).find_map(|at| {
            let (name, rest) = source.split_at_checked(at)?;
            self.0.get(name).map(|(file, map)| (*file, map, rest))
        })?;
        Some((file, map, Part::of(finding.role_arn.as_deref(), rest)))
    }
}
