//! The findings of one role, with their repairs.

use super::analyze::{Facts, facts};
use super::context::Ground;
use super::finding::{Finding, OtherPrincipal};
use super::fix::repaired;
use super::parsed_role::{Reading, Seen};
use super::rules::FindingId;
use super::statement::label;

/// What was found of one role.
#[derive(Debug)]
pub(in crate::trust) struct Judged {
    /// Whether it trusts an OIDC provider.
    pub(in crate::trust) trusting: bool,
    pub(in crate::trust) findings: Vec<Finding>,
    /// How many findings were not wanted.
    pub(in crate::trust) ignored: usize,
    pub(in crate::trust) seen: Vec<Seen>,
    pub(in crate::trust) others: Vec<OtherPrincipal>,
}

/// Judges a role; `wanted` tells which findings are to be reported.
pub(in crate::trust) fn judge(
    reading: &Reading<'_>,
    ground: &Ground<'_>,
    wanted: impl Fn(FindingId) -> bool,
) -> Judged {
    let Facts { trusting, seen, others, raw } = facts(reading, ground);
    let call = |index: usize| reading.statements().find(|(at, _)| *at == index).map(|(at, found)| label(at, found));
    let reported = raw.iter().filter(|raw| wanted(raw.id));
    let findings: Vec<Finding> = reported
        .map(|found| Finding {
            id: found.id,
            severity: found.severity,
            role_arn: reading.role.arn.as_ref().map(ToString::to_string),
            source: reading.role.source.clone(),
            statement: found.statement.and_then(call),
            message: reading.as_written(&found.message),
            evidence: found.evidence.iter().map(|line| reading.as_written(line)).collect(),
            fix: repaired(reading, ground, found, &raw)
                .map(|fix| reading.template.as_ref().map_or_else(|| fix.clone(), |template| template.restore(&fix))),
        })
        .collect();
    Judged { trusting, ignored: raw.len() - findings.len(), findings, seen, others }
}
