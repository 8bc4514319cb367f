//! Values that a configuration refers to instead of holding them: `${NAME}`, `${env:NAME}`,
//! `${NAME:-default}` from the environment, `${keyring:service/user}` from the system's keyring.
//!
//! They are looked up when a server is started or called, so that a configuration in memory holds
//! no secret. What was looked up is known to a redactor, which takes it out of messages.

use std::collections::BTreeMap;
use std::time::Duration;

use ropewalk_core::secret::{self, Redactor};
use tokio::sync::oneshot;

use crate::config::ServerConfig;

/// Longest wait for the keyring, which may ask a person to unlock it.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The service of keyring entries that name none.
const SERVICE: &str = "ropewalk";

/// What a configuration refers to, looked up.
#[derive(Default)]
pub(crate) struct Resolved {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) bearer: Option<String>,
    /// Knows what of this is secret.
    pub(crate) redactor: Redactor,
}

impl Resolved {
    /// Looks everything up.
    pub(crate) async fn of(config: &ServerConfig) -> Result<Self, String> {
        let mut secrets = Vec::new();
        let mut all = |map: BTreeMap<String, (String, bool)>| -> BTreeMap<String, String> {
            let secret = map.values().filter(|(_, secret)| *secret);
            secrets.extend(secret.map(|(value, _)| value.clone()));
            map.into_iter()
                .map(|(name, (value, _))| (name, value))
                .collect()
        };
        let env = all(look_up(&config.env, "env", false).await?);
        let headers = all(look_up(&config.headers, "headers", true).await?);
        let bearer = bearer(config).await?;
        secrets.extend(bearer.clone());
        // Of `Bearer TOKEN` the token alone is secret as well.
        let parts = secrets.iter().filter_map(|value| value.split_once(' '));
        let parts: Vec<String> = parts.map(|(_, token)| token.to_owned()).collect();
        secrets.extend(parts);
        secret::learn(&secrets);
        Ok(Self {
            env,
            headers,
            bearer,
            redactor: Redactor::new(secrets),
        })
    }
}

/// Each value of a map, and whether it is secret: all are, or those that refer to something.
async fn look_up(
    map: &BTreeMap<String, String>,
    field: &str,
    all_secret: bool,
) -> Result<BTreeMap<String, (String, bool)>, String> {
    let mut found = BTreeMap::new();
    for (name, text) in map {
        let value = resolve(text)
            .await
            .map_err(|why| format!("`{field}`, `{name}`: {why}"))?;
        let secret = all_secret || value != *text;
        found.insert(name.clone(), (value, secret));
    }
    Ok(found)
}

async fn bearer(config: &ServerConfig) -> Result<Option<String>, String> {
    if let Some(variable) = &config.bearer_env {
        let token = std::env::var(variable).map_err(|_| {
            format!("the environment variable {variable} (`bearer_env`) is not set")
        })?;
        return Ok(Some(token));
    }
    match &config.bearer_keyring {
        Some(entry) => from_keyring(entry)
            .await
            .map(Some)
            .map_err(|why| format!("`bearer_keyring`: {why}")),
        None => Ok(None),
    }
}

/// A text with everything it refers to.
pub(crate) async fn resolve(text: &str) -> Result<String, String> {
    let mut out = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Variable { name, default } => out.push_str(&variable(name, default)?),
            Part::Keyring(entry) => out.push_str(&from_keyring(entry).await?),
        }
    }
    Ok(out)
}

/// A text with the variables it refers to, where secrets have no place.
pub(crate) fn expand_environment(text: &str) -> Result<String, String> {
    let mut out = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Variable { name, default } => out.push_str(&variable(name, default)?),
            Part::Keyring(entry) => {
                return Err(format!(
                    "`${{keyring:{entry}}}` may stand in `env`, `headers` and `client_secret` \
                     only; elsewhere others could see it"
                ));
            }
        }
    }
    Ok(out)
}

fn variable(name: &str, default: Option<&str>) -> Result<String, String> {
    std::env::var(name)
        .ok()
        .or(default.map(str::to_owned))
        .ok_or_else(|| format!("the environment variable {name} is not set; set it, or remove it"))
}

/// A piece of a text.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    Text(&'a str),
    Variable {
        name: &'a str,
        default: Option<&'a str>,
    },
    Keyring(&'a str),
}

/// A text in pieces. What is replaced is not looked at again.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            break;
        };
        parts.push(Part::Text(before));
        rest = tail;
        if let Some(entry) = name.strip_prefix("keyring:") {
            parts.push(Part::Keyring(entry));
            continue;
        }
        let name = name.strip_prefix("env:").unwrap_or(name);
        parts.push(match name.split_once(":-") {
            Some((name, default)) => Part::Variable {
                name,
                default: Some(default),
            },
            None => Part::Variable {
                name,
                default: None,
            },
        });
    }
    parts.push(Part::Text(rest));
    parts
}

/// The service and the user of a keyring's entry.
fn entry(name: &str) -> Result<(String, String), String> {
    let (service, user) = name.split_once('/').unwrap_or((SERVICE, name));
    if service.is_empty() || user.is_empty() {
        return Err(format!(
            "`{name}` names no keyring entry; write service/user"
        ));
    }
    Ok((service.to_owned(), user.to_owned()))
}

/// What the keyring holds.
async fn from_keyring(name: &str) -> Result<String, String> {
    let (service, user) = entry(name)?;
    let how = format!(
        "store it with `secret-tool store --label {service} service {service} username {user}` on \
         Linux, or `security add-generic-password -s {service} -a {user} -w` on macOS"
    );
    let asked = in_keyring(&service, &user, |entry| entry.get_password()).await;
    match asked {
        Ok(Some(value)) if !value.trim().is_empty() => Ok(value),
        Ok(_) => Err(format!("the keyring has no entry `{name}`; {how}")),
        Err(why) => Err(format!("the keyring entry `{name}` cannot be read: {why}")),
    }
}

/// Does something with an entry of the keyring, on a thread of its own: it may block for as long as
/// a person takes to unlock it, and must not be asked from within an async runtime. `None` where
/// there is no such entry.
pub(crate) async fn in_keyring<T: Send + 'static>(
    service: &str,
    user: &str,
    action: impl FnOnce(&keyring::Entry) -> keyring::Result<T> + Send + 'static,
) -> Result<Option<T>, String> {
    let (sender, receiver) = oneshot::channel();
    let (service, user) = (service.to_owned(), user.to_owned());
    std::thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || {
            let done = keyring::Entry::new(&service, &user).and_then(|entry| action(&entry));
            // Nobody waits any more: the answer is not missed.
            let _ = sender.send(match done {
                Ok(done) => Ok(Some(done)),
                Err(keyring::Error::NoEntry) => Ok(None),
                Err(error) => Err(told(&error)),
            });
        })
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(LONGEST_WAIT, receiver).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err("the system's keyring failed".to_owned()),
        Err(_) => Err(format!(
            "it did not answer within {} s; is it locked?",
            LONGEST_WAIT.as_secs()
        )),
    }
}

/// Its errors may carry what is stored, so each is told in our own words.
fn told(error: &keyring::Error) -> String {
    match error {
        keyring::Error::NoDefaultStore => "there is no keyring to ask".to_owned(),
        keyring::Error::BadEncoding(_) => "the entry is no text".to_owned(),
        keyring::Error::Ambiguous(_) => "several entries fit".to_owned(),
        keyring::Error::NoStorageAccess(_) => "it cannot be opened; is it locked?".to_owned(),
        keyring::Error::PlatformFailure(error) => format!("the system's keyring failed ({error})"),
        _ => "the system's keyring failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_are_replaced_in_every_spelling() {
        let path = std::env::var("PATH").unwrap();
        let text = expand_environment("x${PATH}y${env:PATH}${").unwrap();
        assert_eq!(text, format!("x{path}y{path}${{"));
        let error = expand_environment("${RW_NOT_SET}").unwrap_err();
        assert!(error.contains("RW_NOT_SET is not set"), "{error}");
        let text = expand_environment("${RW_NOT_SET:-b}${RW_NOT_SET:-}").unwrap();
        assert_eq!(text, "b");
    }

    #[test]
    fn a_secret_has_no_place_on_a_command_line() {
        let error = expand_environment("--token=${keyring:a/b}").unwrap_err();
        assert!(error.contains("`env`, `headers`"), "{error}");
    }

    #[test]
    fn entries_have_a_service_and_a_user() {
        assert_eq!(entry("a/b").unwrap(), ("a".to_owned(), "b".to_owned()));
        assert_eq!(
            entry("token").unwrap(),
            (SERVICE.to_owned(), "token".to_owned())
        );
        for broken in ["", "/", "a/", "/b"] {
            assert!(entry(broken).is_err(), "{broken}");
        }
    }

    #[tokio::test]
    async fn what_was_looked_up_is_taken_out_of_messages_and_not_shown() {
        let config = ServerConfig {
            env: [
                ("A".to_owned(), "a ${CARGO_MANIFEST_DIR}".to_owned()),
                ("B".to_owned(), "plain as day".to_owned()),
            ]
            .into(),
            headers: [("X-Key".to_owned(), "0123456789".to_owned())].into(),
            ..ServerConfig::default()
        };
        let resolved = Resolved::of(&config).await.unwrap();
        let folder = env!("CARGO_MANIFEST_DIR");
        assert_eq!(resolved.env["A"], format!("a {folder}"));
        let said = format!("got a {folder} and 0123456789, plain as day");
        assert_eq!(
            resolved.redactor.redact(&said),
            "got [redacted] and [redacted], plain as day"
        );
        assert!(!format!("{config:?}").contains("0123456789"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_plain_text_stays(text in "\\PC{0,80}") {
            let _ = expand_environment(&text);
            if !text.contains("${") {
                prop_assert_eq!(expand_environment(&text).unwrap(), text);
            }
        }
    }
}
