//! Which tags a role has: those that record ownership and subjects, the applyset, and the user's own.

use std::collections::{BTreeMap, BTreeSet};

use crate::binding::MAX_TAGS;
use crate::invariants::Invariant;
use crate::ownership::{Member, ORIGIN_TAG, OVERFLOW_TAG, OWNER_TAG, Origin, SET_TAG, SUBJECT_TAG_PREFIX};
use crate::request::Request;

/// Returns the desired tags of a role whose tags are `current`.
///
/// Where there is no room for all subjects, those on record stay on record, and a tag says that there are more.
pub(super) fn desired_tags(
    request: &Request,
    owner: &Member,
    members: &BTreeSet<Member>,
    origin: Option<Origin>,
    current: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let declared = request.binding.tags.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    let mut tags: BTreeMap<String, String> = declared.collect();
    tags.extend(request.set.iter().map(|set| (SET_TAG.to_owned(), set.to_string())));
    let is_ours =
        |key: &str| [OWNER_TAG, ORIGIN_TAG, OVERFLOW_TAG].contains(&key) || key.starts_with(SUBJECT_TAG_PREFIX);
    let others = current.keys().filter(|key| !is_ours(key) && !tags.contains_key(*key)).count();
    let own = [OWNER_TAG, ORIGIN_TAG].len();
    // One is left free: undoing an interrupted delete takes a tag for a moment.
    let room = MAX_TAGS.saturating_sub(others + tags.len() + own + 1);
    tags.insert(OWNER_TAG.to_owned(), owner.tag_value());
    if let Some(origin) = origin {
        tags.insert(ORIGIN_TAG.to_owned(), origin.as_str().to_owned());
    }
    let mut further: Vec<&Member> = members.iter().filter(|member| *member != owner).collect();
    if !Invariant::SubjectTags.is_enforced() {
        further.clear();
    }
    if further.len() > room || current.contains_key(OVERFLOW_TAG) {
        tags.insert(OVERFLOW_TAG.to_owned(), "true".to_owned());
        further.sort_by_key(|member| !current.contains_key(&member.tag_key()));
        further.truncate(room.saturating_sub(1));
    }
    tags.extend(further.into_iter().map(|member| (member.tag_key(), member.tag_value())));
    tags
}
