//! Secrets in what is shown, kept or sent: found by what they are, or by how they look.
//!
//! What is secret is known to the whole process: whoever reads a key or a token from the environment
//! or the keyring says so with [`learn`], and whatever is shown or kept passes [`redactor`]. A door
//! that was forgotten would otherwise leave a gap.
//!
//! A [`Redactor`] knows the values that the configuration took from the environment or the keyring,
//! as they are, as JSON writes them and as a URL does, and the forms of keys that services give
//! out. A value in any other coding, such as base64, is not found.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::policy::{Inspector, Subject};
use crate::tool::Permission;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Shorter values are words that occur anywhere, not secrets, in bytes.
const LEAST_BYTES: usize = 8;

/// What the process knows to be secret.
static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

#[derive(Default)]
struct Known {
    values: BTreeSet<String>,
    redactor: Redactor,
}

/// From now on these values are secret everywhere in this process. Values of less than eight bytes
/// are passed over.
pub fn learn<S: AsRef<str>>(values: impl IntoIterator<Item = S>) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let before = known.values.len();
    let values = values
        .into_iter()
        .map(|value| value.as_ref().trim().to_owned());
    let values = values.filter(|value| value.len() >= LEAST_BYTES);
    known.values.extend(values);
    if known.values.len() > before {
        known.redactor = Redactor::new(&known.values);
    }
}

/// Finds all that the process knows to be secret.
pub fn redactor() -> Redactor {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.redactor.clone()
}

/// Whether a name, such as that of an environment variable or a header, is one under which secrets
/// are kept: one of its words says so, and it does not say where something lies.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let secret = |word: &&str| {
        matches!(
            *word,
            "key"
                | "apikey"
                | "token"
                | "secret"
                | "password"
                | "passwd"
                | "passphrase"
                | "credential"
                | "credentials"
                | "authorization"
                | "cookie"
                | "bearer"
                | "pat"
        )
    };
    let place = matches!(
        words.last(),
        Some(&("file" | "path" | "dir" | "folder" | "sock" | "url" | "id" | "name" | "env"))
    );
    words.iter().any(secret) && !place
}

/// Finds secrets. Cloning shares it.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Option<Arc<AhoCorasick>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// Knows these values besides the forms that all share. Values of less than eight bytes are
    /// passed over.
    pub fn new<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Self {
        let mut forms: Vec<String> = Vec::new();
        for value in values {
            let value = value.as_ref().trim();
            if value.len() < LEAST_BYTES {
                continue;
            }
            forms.push(value.to_owned());
            let escaped = Value::from(value).to_string();
            forms.push(escaped.trim_matches('"').to_owned());
            forms.push(in_percent(value));
        }
        forms.sort();
        forms.dedup();
        let known = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&forms);
        Self {
            // It fails only beyond gigabytes of values.
            known: known.ok().filter(|_| !forms.is_empty()).map(Arc::new),
        }
    }

    /// The text with its secrets taken out; the same text where there are none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(text);
        if let Some(known) = self.known.as_ref().filter(|known| known.is_match(text)) {
            let mut replaced = String::with_capacity(text.len());
            known.replace_all_with(text, &mut replaced, |_, _, out| {
                out.push_str(REDACTED);
                true
            });
            out = Cow::Owned(replaced);
        }
        if !may_hold_a_form(&out) {
            return out;
        }
        for form in FORMS.iter() {
            let replaced = form.replace_all(&out, |found: &Captures<'_>| {
                // What stands around a secret says what it was.
                let around = |name| found.name(name).map_or("", |around| around.as_str());
                format!("{}{REDACTED}{}", around("before"), around("after"))
            });
            if let Cow::Owned(replaced) = replaced {
                out = Cow::Owned(replaced);
            }
        }
        out
    }

    /// The same in every text of a value, names of fields included.
    pub fn redact_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.redact(text) {
                    *text = redacted;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(fields) => {
                for (mut name, mut value) in std::mem::take(fields) {
                    if let Cow::Owned(redacted) = self.redact(&name) {
                        name = redacted;
                    }
                    self.redact_value(&mut value);
                    fields.insert(name, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The same of anything that is kept as JSON; nothing where there is no secret in it.
    pub fn cleaned<T: Serialize + DeserializeOwned>(&self, kept: &T) -> Option<T> {
        let text = serde_json::to_string(kept).ok()?;
        if !self.found_in(&text) {
            return None;
        }
        let mut value = serde_json::to_value(kept).ok()?;
        self.redact_value(&mut value);
        // A secret that is a word of the form itself hides nothing.
        T::deserialize(value).ok()
    }

    /// Whether a value holds a secret.
    pub fn finds(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.found_in(text),
            Value::Array(items) => items.iter().any(|item| self.finds(item)),
            Value::Object(fields) => fields
                .iter()
                .any(|(name, value)| self.found_in(name) || self.finds(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn found_in(&self, text: &str) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|known| known.is_match(text))
            || (may_hold_a_form(text) && FORMS.iter().any(|form| form.is_match(text)))
    }
}

/// Refuses calls that would carry a secret to a tool of the open world.
impl Inspector for Redactor {
    fn name(&self) -> &str {
        "the search for secrets"
    }

    fn inspect(&self, subject: &Subject<'_>) -> Result<Option<(Permission, String)>, String> {
        let leaves = subject.reaches_outside() && self.finds(subject.arguments);
        Ok(leaves.then(|| {
            let why = "the arguments hold a key, a token or a password, and the tool reaches \
                       outside; leave it out, or give it to the server in its configuration";
            (Permission::Deny, why.to_owned())
        }))
    }
}

/// The same for all that the process knows by then.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownSecrets;

impl Inspector for KnownSecrets {
    fn name(&self) -> &str {
        "the search for secrets"
    }

    fn inspect(&self, subject: &Subject<'_>) -> Result<Option<(Permission, String)>, String> {
        redactor().inspect(subject)
    }
}

/// As in a URL: everything but letters, digits and `-._~` by its bytes.
fn in_percent(value: &str) -> String {
    utf8_percent_encode(value, UNRESERVED).to_string()
}

/// What RFC 3986 lets stand as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Whether a text holds the beginning of any of the forms: a look through it costs next to nothing.
fn may_hold_a_form(text: &str) -> bool {
    BEGINNINGS.as_ref().is_none_or(|all| all.is_match(text))
}

/// One for each way in which a form can begin; a test holds the two together.
static BEGINNINGS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let all = [
        "sk-",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "xox",
        "npm_",
        "hf_",
        "AKIA",
        "ASIA",
        "AIza",
        "k_live_",
        "k_test_",
        "SG.",
        "eyJ",
        "-----BEGIN",
        "uthorization",
        "UTHORIZATION",
        "://",
    ];
    AhoCorasick::new(all).ok()
});

/// The forms of keys that services give out, and words beside which a secret stands.
static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let forms = [
        // OpenAI, Anthropic, and others that took up their form.
        r"\bsk-[A-Za-z0-9_-]{20,}",
        // GitHub, GitLab, Slack, npm, Hugging Face.
        r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,})",
        r"\b(xox[abeprs]-[A-Za-z0-9-]{10,}|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,})",
        // AWS, Google, Stripe, SendGrid.
        r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\b(AIza[A-Za-z0-9_-]{35}|[rs]k_(live|test)_[A-Za-z0-9]{16,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
        // A JSON web token: its first part is an object, in base64.
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(-----END [A-Z ]*PRIVATE KEY-----)?",
        r"(?P<before>\b(?:[Aa]uthorization|AUTHORIZATION)\s*:\s*(?i:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}",
        // user:password@host
        // No quotes in it: what stands in two texts of one line of JSON is no address.
        r#"(?P<before>\b[a-z][a-z0-9+.-]{1,20}://[^/\s:@"']{1,100}:)[^/\s:@"']{1,200}(?P<after>@)"#,
    ];
    // A test compiles each of them.
    forms
        .into_iter()
        .filter_map(|form| Regex::new(form).ok())
        .collect()
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_found_by_their_form() {
        let redactor = Redactor::default();
        let token = format!(
            "eyJ{}.eyJ{}.{}",
            "a".repeat(20),
            "b".repeat(20),
            "c".repeat(20)
        );
        for secret in [
            &format!("sk-proj-{}", "a1".repeat(12)),
            &format!("ghp_{}", "a".repeat(36)),
            &format!("glpat-{}", "x".repeat(20)),
            &format!("xoxb-{}", "1".repeat(12)),
            &format!("AKIA{}", "A".repeat(16)),
            &format!("AIza{}", "b".repeat(35)),
            &token,
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        ] {
            let text = format!("before {secret} after");
            assert_eq!(redactor.redact(&text), "before [redacted] after");
            assert!(redactor.finds(&json!({"a": [text]})), "{secret}");
        }
        assert_eq!(FORMS.len(), 9);
        assert_eq!(
            redactor.redact("Authorization: Bearer abcdefgh123"),
            "Authorization: Bearer [redacted]"
        );
        assert_eq!(
            redactor.redact("postgres://me:hunter22@host/db"),
            "postgres://me:[redacted]@host/db"
        );
    }

    #[test]
    fn what_is_learned_is_secret_everywhere() {
        assert_eq!(
            redactor().redact("the quiet harbour key"),
            "the quiet harbour key"
        );
        learn(["quiet harbour", "short"]);
        assert_eq!(
            redactor().redact("the quiet harbour key"),
            "the [redacted] key"
        );
        assert_eq!(redactor().redact("short"), "short");
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in [
            "OPENAI_API_KEY",
            "GITHUB_TOKEN",
            "x-api-key",
            "Authorization",
            "DB_PASSWORD",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "PWD",
            "SSH_AUTH_SOCK",
            "KEYBOARD",
            "TOKEN_FILE",
            "HOME",
            "AWS_ACCESS_KEY_ID",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        let redactor = Redactor::new(["", "short"]);
        for text in [
            "a short text",
            "https://example.com:8080/path?q=1",
            "the sk-learn package",
            "commit 9f742c8aa77d1f0b",
            "mailto:someone@example.com",
            r#"{"at":"http://host","who":"me:you@example.com"}"#,
        ] {
            assert!(matches!(redactor.redact(text), Cow::Borrowed(_)), "{text}");
            assert!(!redactor.finds(&json!(text)));
        }
    }

    #[test]
    fn a_key_going_outside_is_refused() {
        use crate::policy::{Exposure, Gate, Policy};
        use crate::tool::ToolHints;
        use std::sync::Arc;

        let gate = Gate::new(Policy::default().allowing("s", &["*".to_owned()]))
            .with(Arc::new(Redactor::new(["correct horse battery"])));
        let arguments = json!({"url": "https://e.example/?q=correct%20horse%20battery"});
        let exposure = Exposure::default();
        let outside = Subject {
            server: "s",
            tool: "t",
            arguments: &arguments,
            hints: ToolHints::default(),
            ours: false,
            vouched: false,
            exposure: &exposure,
        };
        let verdict = gate.judge(&outside);
        assert_eq!(verdict.permission, Permission::Deny);
        assert!(
            verdict.summary().contains("hold a key"),
            "{}",
            verdict.summary()
        );
        // A tool that stays here may have it.
        let inside = Subject {
            vouched: true,
            hints: ToolHints {
                open_world: false,
                ..ToolHints::default()
            },
            ..outside
        };
        assert_eq!(gate.judge(&inside).permission, Permission::Allow);
    }

    proptest! {
        #[test]
        fn a_known_value_never_gets_through(
            secret in "[ -~]{8,40}", before in "\\PC{0,20}", after in "\\PC{0,20}",
        ) {
            let secret = secret.trim();
            prop_assume!(secret.len() >= LEAST_BYTES && !REDACTED.contains(secret));
            let redactor = Redactor::new([secret]);
            for form in [secret.to_owned(), json!(secret).to_string(), in_percent(secret)] {
                let mut value = json!({"x": [format!("{before} {form} {after}")], secret: 1});
                prop_assert!(redactor.finds(&value));
                redactor.redact_value(&mut value);
                prop_assert!(!value.to_string().contains(&form), "{value}");
            }
        }
    }
}
