//! What texts of users look like, whatever they are for.

mod nearest;
pub(crate) mod placeholder;

pub(crate) use self::nearest::{did_you_mean, nearest};

/// A value as it stands in a message: quoted, control characters escaped, cut when it is long.
pub(crate) fn shown(value: &str) -> String {
    const MAX_SHOWN: usize = 120;
    if value.chars().count() <= MAX_SHOWN {
        return format!("{value:?}");
    }
    let head: String = value.chars().take(MAX_SHOWN).collect();
    format!("{head:?}… ({} characters)", value.chars().count())
}

/// Declares an enum whose variants are one word each, the same in `as_str`, `Display` and serde.
macro_rules! word_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word, as in JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use word_enum;
