//! What must never stand in a message.

/// What stands in a secret's place.
const HIDDEN: &str = "***";
/// Shorter ones would blot out ordinary words.
const SHORTEST: usize = 4;

/// The key and the values of configured headers, in every form in which a server repeats them.
#[derive(Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for value in values {
            if value.len() < SHORTEST {
                continue;
            }
            let json = serde_json::Value::String(value.clone()).to_string();
            let escaped = json.trim_matches('"').to_owned();
            let debugged = format!("{value:?}");
            let debugged = debugged.trim_matches('"').to_owned();
            // A header's value may be a scheme and the secret proper.
            let proper = value.rsplit(' ').next().unwrap_or_default().to_owned();
            for form in [value, escaped, debugged, proper] {
                if form.len() >= SHORTEST && !all.contains(&form) {
                    all.push(form);
                }
            }
        }
        // The longest first: one may hold another.
        all.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without them, nor the beginning of one at its end, where a text was cut.
    pub(super) fn removed(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.0 {
            clean = clean.replace(secret.as_str(), HIDDEN);
        }
        for secret in &self.0 {
            let starts = secret.char_indices().map(|(at, _)| at).rev();
            for end in starts.filter(|end| *end >= SHORTEST) {
                if let Some(start) = secret.get(..end)
                    && let Some(before) = clean.strip_suffix(start)
                {
                    clean = format!("{before}{HIDDEN}");
                    break;
                }
            }
        }
        clean
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_cleaned_text_holds_a_key(
            key in "[a-zA-Z0-9_\"\\\\-]{8,40}",
            before in ".{0,20}",
            after in ".{0,20}",
            cut in 0_usize..60,
        ) {
            let secrets = Secrets::new([key.clone()]);
            let whole = format!("{before}{key}{after}");
            prop_assert!(!secrets.removed(&whole).contains(&key));
            let shown = serde_json::json!({"message": whole}).to_string();
            let escaped = serde_json::Value::String(key.clone()).to_string();
            prop_assert!(!secrets.removed(&shown).contains(escaped.trim_matches('"')));
            let start: String = key.chars().take(cut).collect();
            if start.len() >= SHORTEST {
                let clean = secrets.removed(&format!("{before} {start}"));
                prop_assert!(!clean.ends_with(&start), "{clean}");
            }
        }
    }

    #[test]
    fn ordinary_text_stays() {
        let secrets = Secrets::new(["Bearer sk-12345".to_owned(), "no".to_owned()]);
        assert_eq!(
            secrets.removed("no model of that name"),
            "no model of that name"
        );
        assert_eq!(secrets.removed("key sk-12345 is wrong"), "key *** is wrong");
        assert!(!format!("{secrets:?}").contains("sk"));
    }
}
