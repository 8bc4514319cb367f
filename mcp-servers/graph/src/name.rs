//! What a thing is called, and when two names are one.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// The name of an entity as it is compared: compatibility forms folded (NFKC), lower case, its
/// words joined by single spaces, no punctuation. Two names with the same key are one entity; what
/// else is meant by one name is told apart when a question is asked, by its passages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of a name as it is written; `None` where nothing of it is a letter or a digit.
    pub fn of(name: &str) -> Option<Self> {
        let mut key = String::with_capacity(name.len());
        let mut gap = false;
        for c in name.nfkc().flat_map(char::to_lowercase) {
            if c.is_alphanumeric() || is_mark(c) {
                if gap && !key.is_empty() {
                    key.push(' ');
                }
                gap = false;
                key.push(c);
            } else if !matches!(c, '\'' | '’') {
                gap = true;
            }
        }
        (!key.is_empty()).then_some(Self(key))
    }

    /// The key of a title, without what stands in brackets at its end to tell it from others.
    pub fn of_title(title: &str) -> Option<Self> {
        let trimmed = title.trim_end();
        let bare = trimmed
            .strip_suffix(')')
            .and_then(|rest| rest.rfind('(').map(|at| rest.split_at(at).0))
            .and_then(Self::of);
        bare.or_else(|| Self::of(title))
    }

    /// One that was stored before.
    pub(crate) fn stored(key: String) -> Self {
        Self(key)
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Looked up by what it is, without making one.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_written_differently_are_one() {
        let key = |name: &str| Key::of(name).map(|key| key.to_string());
        assert_eq!(key("  Paul  GROSS "), Some("paul gross".to_owned()));
        assert_eq!(
            key("O'Brien & Sons, Inc."),
            Some("obrien sons inc".to_owned())
        );
        assert_eq!(key("ﬁne"), Some("fine".to_owned()));
        assert_eq!(key("—!"), None);
        let title = |name: &str| Key::of_title(name).map(|key| key.to_string());
        assert_eq!(
            title("Decade (Neil Young album)"),
            Some("decade".to_owned())
        );
        assert_eq!(
            title("(What's the Story)"),
            Some("whats the story".to_owned())
        );
        assert_eq!(title("Plain"), Some("plain".to_owned()));
    }
}
