//! Suggestions for misspelt names.

/// The names nearest to a misspelt one: edit distance at most 3, at most 3 names, nearest first.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const FARTHEST: usize = 3;
    const MAX_NAMES: usize = 3;
    let wanted = name.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= FARTHEST)
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= FARTHEST)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(MAX_NAMES).map(|(_, candidate)| candidate).collect()
}

/// "did you mean a, b or c?", or nothing when nothing is near.
pub(crate) fn did_you_mean(near: &[&str]) -> Option<String> {
    match near {
        [] => None,
        [one] => Some(format!("did you mean {one}?")),
        [head @ .., last] => Some(format!("did you mean {} or {last}?", head.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_are_few_and_near() {
        let known = ["AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "AmazonSQSReadOnlyAccess", "ReadOnlyAccess"];
        assert_eq!(nearest("AmazonS3ReadOnlyAcces", known), ["AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess"]);
        assert!(nearest("nothing-like-it", known).is_empty());
        assert_eq!(did_you_mean(&["a", "b", "c"]).as_deref(), Some("did you mean a, b or c?"));
    }
}
