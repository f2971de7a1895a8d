//! Ownership: the tags on a role that tell whose it is and who its subjects are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cluster_identity::ClusterId;
use crate::name::{Namespace, SubjectName};

/// The tag that names the first subject.
pub(crate) const OWNER_TAG: &str = "irsa.gen3.org/owner";
/// The tag that tells whether irsa made the role.
pub(crate) const ORIGIN_TAG: &str = "irsa.gen3.org/origin";
/// First word of the origin tag while the role is being deleted: a run that adds a subject at that time sees it and gives way.
pub(crate) const DELETING: &str = "deleting";
/// Prefix of the tag of a run that reinstates a role whose delete broke off; a random word follows.
pub(crate) const REINSTATED_TAG_PREFIX: &str = "irsa.gen3.org/reinstated.";
/// The tag that says that more subjects stand in the trust policy than the tags of a role have room for.
pub(crate) const OVERFLOW_TAG: &str = "irsa.gen3.org/more-subjects";
/// The tag that names the set of bindings that the role belongs to.
pub(crate) const SET_TAG: &str = "irsa.gen3.org/set";
/// What the tag of each further subject begins with; a hash of the subject follows.
pub(crate) const SUBJECT_TAG_PREFIX: &str = "irsa.gen3.org/subject.";

/// The longest value of a tag (IAM API reference, `Tag`).
const MAX_VALUE_LENGTH: usize = 256;

/// How the role came to irsa.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// irsa made it and may delete it.
    Created,
    /// It was there before and is kept when the binding goes.
    Adopted,
}

impl Origin {
    /// The value of the tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Adopted => "adopted",
        }
    }
}

/// Value of the origin tag while the role is being deleted: `deleting:ORIGIN BEFORE:SECONDS:WORD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeletionMark {
    /// The origin before the delete.
    pub(crate) origin: Option<Origin>,
    /// When the mark was written, in seconds since the epoch, by the clock of its writer.
    pub(crate) since: u64,
    /// Random word that makes the mark unique.
    word: String,
}

impl DeletionMark {
    /// A new mark of a role that had this origin.
    pub(crate) fn new(origin: Option<Origin>, since: u64) -> Self {
        Self { origin, since, word: random_word() }
    }

    /// Reads the value of an origin tag; a bare `deleting` has no age and no word.
    fn from_tag_value(value: &str) -> Option<Self> {
        let mut parts = value.split(':');
        if parts.next() != Some(DELETING) {
            return None;
        }
        let origin = match parts.next() {
            Some("adopted") => Some(Origin::Adopted),
            Some("") => None,
            _ => Some(Origin::Created),
        };
        let since = parts.next().and_then(|since| since.parse().ok()).unwrap_or_default();
        Some(Self { origin, since, word: parts.next().unwrap_or_default().to_owned() })
    }

    pub(crate) fn tag_value(&self) -> String {
        let origin = self.origin.map(Origin::as_str).unwrap_or_default();
        format!("{DELETING}:{origin}:{}:{}", self.since, self.word)
    }
}

/// A word that no other run chooses.
pub(crate) fn random_word() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// A subject of a role, with what stands for its cluster: the unit that tags record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Member {
    pub(crate) cluster: ClusterId,
    pub(crate) namespace: Namespace,
    pub(crate) name: SubjectName,
}

impl Member {
    /// `<cluster>/<namespace>/<name>` in the alphabet of tag values, which has no `*` and no `?`.
    fn value(&self) -> String {
        quoted(&format!("{}/{}/{}", self.cluster, self.namespace, self.name.as_str()))
    }

    /// The value of its tag: cut where it is too long, with a hash at the end that tells it from others.
    pub(crate) fn tag_value(&self) -> String {
        let value = self.value();
        if value.chars().count() <= MAX_VALUE_LENGTH {
            return value;
        }
        let hash = hash(&value, 16);
        let head: String = value.chars().take(MAX_VALUE_LENGTH - hash.len() - 1).collect();
        format!("{head}.{hash}")
    }

    /// The key of its tag.
    pub(crate) fn tag_key(&self) -> String {
        format!("{SUBJECT_TAG_PREFIX}{}", hash(&self.value(), 16))
    }

    /// Reads the value of a tag; nothing where it was cut or is not one of ours.
    fn from_tag_value(value: &str) -> Option<Self> {
        let whole = unquoted(value);
        let (rest, name) = whole.rsplit_once('/')?;
        let (cluster, namespace) = rest.rsplit_once('/')?;
        let member = Self {
            cluster: ClusterId::from_text(cluster),
            namespace: Namespace::new(namespace).ok()?,
            name: SubjectName::parse(name).ok()?,
        };
        // A cut value would read as a name that ends in a hash, so one of full length is known by its hash only.
        (value.chars().count() < MAX_VALUE_LENGTH).then_some(member)
    }

    /// The `sub` claim of its tokens, or the pattern for it.
    pub(crate) fn sub(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name.as_str())
    }

    /// As users write it: the cluster is left out where it is the one given.
    pub(crate) fn shown(&self, home: &ClusterId) -> String {
        let name = self.name.as_str();
        if self.cluster == *home {
            return format!("{}/{name}", self.namespace);
        }
        format!("{}:{}/{name}", self.cluster, self.namespace)
    }
}

/// What the tags of a role say of its ownership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// The value of the owner tag.
    pub(crate) owner: Option<String>,
    pub(crate) origin: Option<Origin>,
    /// The subject that the owner tag names, where its value was not cut.
    owner_member: Option<Member>,
    /// Further subjects by the key of their tag; the member is unknown where the value was cut.
    further: BTreeMap<String, Option<Member>>,
    /// Mark of a delete that has begun to take the role away.
    pub(crate) deletion: Option<DeletionMark>,
    /// Whether irsa's own statements may hold subjects without a tag, because there was no room for more tags.
    pub(crate) overflow: bool,
}

impl Ownership {
    pub(crate) fn from_tags(tags: &BTreeMap<String, String>) -> Self {
        let owner = tags.get(OWNER_TAG).cloned();
        let deletion = tags.get(ORIGIN_TAG).and_then(|origin| DeletionMark::from_tag_value(origin));
        let origin = match tags.get(ORIGIN_TAG).map(String::as_str) {
            // Only a role that irsa made is deleted; one that was forced to go goes all the more.
            _ if deletion.is_some() => Some(Origin::Created),
            Some("created") => Some(Origin::Created),
            Some("adopted") => Some(Origin::Adopted),
            _ => None,
        };
        let further = tags
            .iter()
            .filter(|(key, _)| key.starts_with(SUBJECT_TAG_PREFIX))
            .map(|(key, value)| (key.clone(), Member::from_tag_value(value).filter(|member| member.tag_key() == *key)))
            .collect();
        let owner_member = owner.as_deref().and_then(Member::from_tag_value);
        Self { owner, origin, owner_member, further, deletion, overflow: tags.contains_key(OVERFLOW_TAG) }
    }

    /// That of a role of one subject.
    pub(crate) fn of_one(owner: &Member, origin: Origin) -> Self {
        let pairs = [(OWNER_TAG, owner.tag_value()), (ORIGIN_TAG, origin.as_str().to_owned())];
        Self::from_tags(&pairs.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// The tags that tell who owns it, and how it came.
    pub(crate) fn owner_tags(&self) -> BTreeMap<String, String> {
        let owner = self.owner.clone().map(|owner| (OWNER_TAG.to_owned(), owner));
        let origin = self.origin.map(|origin| (ORIGIN_TAG.to_owned(), origin.as_str().to_owned()));
        owner.into_iter().chain(origin).collect()
    }

    pub(crate) fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// Whether the owner tag names this subject.
    pub(crate) fn is_owner(&self, member: &Member) -> bool {
        self.owner.as_deref() == Some(member.tag_value().as_str())
    }

    /// The key of the tag that the owner had as a further subject, where its record was not cut.
    pub(crate) fn owner_tag_key(&self) -> Option<String> {
        self.owner_member.as_ref().map(Member::tag_key)
    }

    /// Whether the tags record this subject, as the first or as a further one.
    pub(crate) fn records(&self, member: &Member) -> bool {
        self.is_owner(member) || self.further.contains_key(&member.tag_key())
    }

    /// Every subject that the tags name in full.
    pub(crate) fn members(&self) -> BTreeSet<Member> {
        self.owner_member.iter().chain(self.further.values().flatten()).cloned().collect()
    }

    /// Whether the tags record anybody but these subjects, be it by a hash only.
    pub(crate) fn records_others(&self, members: &BTreeSet<Member>) -> bool {
        let keys: BTreeSet<String> = members.iter().map(Member::tag_key).collect();
        let owner = self.owner.is_some() && !members.iter().any(|member| self.is_owner(member));
        owner || self.further.keys().any(|further| !keys.contains(further))
    }

    /// Whether some record tells no name, since it was cut or because there was no room for all.
    pub(crate) fn is_partial(&self) -> bool {
        let cut_owner = self.owner.is_some() && self.owner_member.is_none();
        self.overflow || cut_owner || self.further.values().any(Option::is_none)
    }

    /// Further subjects that the tags name in full, without the first.
    pub(crate) fn further_members(&self) -> BTreeSet<Member> {
        self.further.values().flatten().cloned().collect()
    }
}

/// Text in the alphabet of tag values: what is not in it, and `=` itself, as `=XX` in hex, as quoted-printable has it.
fn quoted(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut quoted, c| {
        if c.is_ascii_alphanumeric() || "_.:/+-@".contains(c) {
            quoted.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = fmt::Write::write_fmt(&mut quoted, format_args!("={byte:02X}"));
            }
        }
        quoted
    })
}

/// The text of a quoted value; what is not quoted as [`quoted`] does stays as it is.
fn unquoted(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'=') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first digits of the SHA-256 of a text, in hex.
pub(crate) fn hash(text: &str, digits: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex = digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = fmt::Write::write_fmt(&mut hex, format_args!("{byte:02x}"));
        hex
    });
    hex.chars().take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(name: &str) -> Member {
        Member {
            cluster: ClusterId::from_text("arn:aws:eks:us-east-1:123456789012:cluster/demo"),
            namespace: Namespace::new("default").unwrap(),
            name: SubjectName::parse(name).unwrap(),
        }
    }

    #[test]
    fn tags_tell_who_is_a_subject() {
        let (a, b, pattern) = (member("a"), member("b"), member("job-*"));
        let tags = BTreeMap::from([
            (OWNER_TAG.to_owned(), a.tag_value()),
            (ORIGIN_TAG.to_owned(), "created".to_owned()),
            (b.tag_key(), b.tag_value()),
            (pattern.tag_key(), pattern.tag_value()),
            ("team".to_owned(), "data".to_owned()),
        ]);
        let ownership = Ownership::from_tags(&tags);
        assert_eq!(ownership.origin, Some(Origin::Created));
        assert_eq!(ownership.members(), BTreeSet::from([a.clone(), b.clone(), pattern]));
        assert!(ownership.is_owner(&a) && !ownership.is_owner(&b) && ownership.records(&b));
        assert!(!ownership.records(&member("c")));
    }

    #[test]
    fn a_role_that_is_being_deleted_was_made_here() {
        let tags = BTreeMap::from([
            (OWNER_TAG.to_owned(), member("a").tag_value()),
            (ORIGIN_TAG.to_owned(), DELETING.to_owned()),
        ]);
        let ownership = Ownership::from_tags(&tags);
        assert!(ownership.deletion.is_some() && ownership.origin == Some(Origin::Created));
        assert_eq!(ownership.owner_tag_key(), Some(member("a").tag_key()));
    }

    #[test]
    fn deletion_marks_are_tag_values_and_read_back() {
        for origin in [None, Some(Origin::Created), Some(Origin::Adopted)] {
            let mark = DeletionMark::new(origin, 1_764_540_000);
            assert_ne!(mark, DeletionMark::new(origin, 1_764_540_000), "no two runs write the same mark");
            assert!(crate::name::TagValue::new(mark.tag_value()).is_ok());
            assert_eq!(DeletionMark::from_tag_value(&mark.tag_value()), Some(mark));
        }
        assert_eq!(DeletionMark::from_tag_value("created"), None);
        let bare = DeletionMark { origin: Some(Origin::Created), since: 0, word: String::new() };
        assert_eq!(DeletionMark::from_tag_value("deleting"), Some(bare));
        assert!(crate::name::TagKey::new(format!("{REINSTATED_TAG_PREFIX}{}", random_word())).is_ok());
    }

    #[test]
    fn long_values_are_cut_and_still_recognised() {
        let long = member(&"a".repeat(253));
        assert_eq!(long.tag_value().len(), 256);
        let tags = BTreeMap::from([(OWNER_TAG.to_owned(), long.tag_value())]);
        let ownership = Ownership::from_tags(&tags);
        assert!(ownership.is_owner(&long) && ownership.members().is_empty());
        let other = Member { name: SubjectName::parse(&format!("{}b", "a".repeat(252))).unwrap(), ..long };
        assert!(!ownership.is_owner(&other));
    }

    proptest! {
        #[test]
        fn tag_values_are_what_iam_takes_and_read_back(name in "[a-z*?]([a-z0-9*?]{0,20})") {
            let member = member(&name);
            prop_assert!(crate::name::TagValue::new(member.tag_value()).is_ok());
            prop_assert!(crate::name::TagKey::new(member.tag_key()).is_ok());
            prop_assert_eq!(Member::from_tag_value(&member.tag_value()), Some(member));
        }
    }
}
