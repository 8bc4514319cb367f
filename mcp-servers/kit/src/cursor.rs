//! Where a result that was cut to its budget goes on.
//!
//! A cursor is opaque to the caller, and of use only with the arguments it came for: a place in one
//! list means nothing in another. It is not sealed, since it lets nobody see what a call without
//! it would not show.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ToolError;

/// What a result is about, apart from where it begins: its cursors belong to this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursors(u64);

#[derive(Serialize, Deserialize)]
struct Place {
    start: usize,
    about: u64,
}

impl Cursors {
    /// For a result that these things decide.
    pub fn about(subject: &Value) -> Self {
        let mut subject = subject.clone();
        subject.sort_all_objects();
        let mut hasher = DefaultHasher::new();
        subject.to_string().hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The cursor with which the result goes on at a place.
    pub fn at(self, start: usize) -> String {
        let place = Place {
            start,
            about: self.0,
        };
        // Two numbers can always be written.
        BASE64.encode(serde_json::to_vec(&place).unwrap_or_default())
    }

    /// The place where the result goes on; its start without a cursor.
    ///
    /// # Errors
    /// When the cursor is none, or came with other arguments.
    pub fn start(self, cursor: Option<&str>) -> Result<usize, ToolError> {
        let Some(cursor) = cursor else { return Ok(0) };
        let place: Option<Place> = BASE64
            .decode(cursor.trim())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match place {
            Some(place) if place.about == self.0 => Ok(place.start),
            Some(_) => Err(ToolError::new(
                "the cursor belongs to a call with other arguments",
                "send it with exactly the arguments it came for, or leave it out to begin again",
            )),
            None => Err(ToolError::new(
                "the cursor is not one this server gave",
                "send back a next_cursor as it came, or leave it out to begin again",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_is_of_use_where_it_came_from() {
        let here = Cursors::about(&json!({"query": "a", "limit": 3}));
        let same = Cursors::about(&json!({"limit": 3, "query": "a"}));
        let other = Cursors::about(&json!({"query": "b", "limit": 3}));
        assert_eq!(here.start(None).unwrap(), 0);
        assert_eq!(same.start(Some(&here.at(7))).unwrap(), 7);
        let error = other.start(Some(&here.at(7))).unwrap_err().to_string();
        assert!(error.contains("other arguments"), "{error}");
        let error = here.start(Some("next")).unwrap_err().to_string();
        assert!(error.contains("not one this server gave"), "{error}");
    }

    proptest! {
        #[test]
        fn any_place_is_found_again(start in any::<usize>(), query in "\\PC{0,9}") {
            let cursors = Cursors::about(&json!(query));
            prop_assert_eq!(cursors.start(Some(&cursors.at(start))).unwrap(), start);
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}|[A-Za-z0-9_-]{0,40}") {
            let _ = Cursors::about(&json!(null)).start(Some(&text));
        }
    }
}
