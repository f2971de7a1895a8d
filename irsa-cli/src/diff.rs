//! Line diff of two JSON documents, as `diff -u` shows it.

use serde_json::Value;

/// Number of unchanged lines shown around changed ones.
const CONTEXT_LINES: usize = 2;

/// Line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiffLine {
    /// In both documents.
    Context(String),
    /// In the old document only.
    Removed(String),
    /// In the new document only.
    Added(String),
    /// Unchanged lines that are not shown.
    Skipped,
}

/// The lines that differ, with their context; empty for equal documents.
pub(crate) fn diff(old: &Value, new: &Value) -> Vec<DiffLine> {
    let (old, new) = (format!("{old:#}"), format!("{new:#}"));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let kept = |line: &&str| DiffLine::Context((*line).to_owned());
    let mut lines: Vec<DiffLine> = old.iter().take(head).map(kept).collect();
    lines.extend(middle(&old[head..old.len() - tail], &new[head..new.len() - tail]));
    lines.extend(old.iter().skip(old.len() - tail).map(kept));
    with_context(lines)
}

/// The longest common subsequence is context.
fn middle(old: &[&str], new: &[&str]) -> Vec<DiffLine> {
    // The longest one of old[i..] and new[j..], row by row from the end.
    let mut lengths = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] = match old[i] == new[j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(DiffLine::Context(old[i].to_owned()));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || lengths[i + 1][j] >= lengths[i][j + 1]) {
            lines.push(DiffLine::Removed(old[i].to_owned()));
            i += 1;
        } else {
            lines.push(DiffLine::Added(new[j].to_owned()));
            j += 1;
        }
    }
    lines
}

/// Skips the lines far from any change.
fn with_context(lines: Vec<DiffLine>) -> Vec<DiffLine> {
    let changes: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| !matches!(line, DiffLine::Context(_))).map(|(at, _)| at).collect();
    let near = |at: usize| {
        let next = changes.partition_point(|change| *change < at);
        let close = |change: Option<&usize>| change.is_some_and(|change| change.abs_diff(at) <= CONTEXT_LINES);
        close(changes.get(next)) || close(next.checked_sub(1).and_then(|before| changes.get(before)))
    };
    let mut shown = Vec::new();
    for (at, line) in lines.into_iter().enumerate() {
        if near(at) {
            shown.push(line);
        } else if !changes.is_empty() && !matches!(shown.last(), Some(DiffLine::Skipped)) {
            shown.push(DiffLine::Skipped);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn shown(old: &Value, new: &Value) -> String {
        let line = |line: DiffLine| match line {
            DiffLine::Context(text) => format!(" {text}\n"),
            DiffLine::Removed(text) => format!("-{text}\n"),
            DiffLine::Added(text) => format!("+{text}\n"),
            DiffLine::Skipped => "...\n".to_owned(),
        };
        diff(old, new).into_iter().map(line).collect()
    }

    #[test]
    fn changes_are_shown_with_their_context() {
        let old = json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": [6, 7]});
        let new = json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 6, "f": [6, 7], "g": 8});
        assert_eq!(
            shown(&old, &new),
            "...\n   \"c\": 3,\n   \"d\": 4,\n-  \"e\": 5,\n+  \"e\": 6,\n   \"f\": [\n     6,\n     7\n-  ]\n+  ],\n+  \"g\": 8\n }\n"
        );
        assert_eq!(shown(&old, &old), "");
    }

    fn documents() -> impl Strategy<Value = Value> {
        proptest::collection::vec(0..4_u8, 0..12).prop_map(|list| json!(list))
    }

    proptest! {
        /// Nothing is lost but skipped lines, which are in both.
        #[test]
        fn both_documents_can_be_rebuilt(old in documents(), new in documents()) {
            let (text, new_text) = (format!("{old:#}"), format!("{new:#}"));
            let lines = middle(&text.lines().collect::<Vec<_>>(), &new_text.lines().collect::<Vec<_>>());
            let side = |come: bool| {
                let of = |line: &DiffLine| match line {
                    DiffLine::Context(text) => Some(text.clone()),
                    DiffLine::Removed(text) => (!come).then(|| text.clone()),
                    DiffLine::Added(text) => come.then(|| text.clone()),
                    DiffLine::Skipped => None,
                };
                lines.iter().filter_map(of).collect::<Vec<_>>().join("\n")
            };
            prop_assert_eq!(side(false), text);
            prop_assert_eq!(side(true), new_text);
        }
    }
}
