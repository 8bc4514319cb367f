//! The key: from the environment or the system keyring, and from nowhere else.

use std::sync::mpsc;
use std::time::Duration;

use ropewalk_core::secret;

use super::config::OpenAiConfig;
use crate::engine::EngineError;

/// Longest wait for the keyring, which may ask a person to unlock it.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A key and where it was found.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Key {
    /// The key itself; none where none is needed.
    pub value: Option<String>,
    /// For messages: the variable or the keyring's entry.
    pub place: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("value", &self.value.as_ref().map(|_| "***"))
            .field("place", &self.place)
            .finish()
    }
}

/// The key that a configuration asks for: the variable's first, then the keyring's. It is secret
/// from then on.
pub(super) fn find(config: &OpenAiConfig, engine: &str) -> Result<Key, EngineError> {
    let key = looked_up(config, engine)?;
    secret::learn(&key.value);
    Ok(key)
}

fn looked_up(config: &OpenAiConfig, engine: &str) -> Result<Key, EngineError> {
    let variable = config.key_variable();
    if let Ok(value) = std::env::var(variable)
        && !value.trim().is_empty()
    {
        return Ok(Key {
            value: Some(value),
            place: format!("the environment variable {variable}"),
        });
    }
    match &config.key_keyring {
        Some(entry) => from_keyring(entry, engine, LONGEST_WAIT, ask_keyring),
        None => Ok(Key {
            value: None,
            place: format!("the environment variable {variable}"),
        }),
    }
}

/// Asks the keyring on a thread of its own: it may block for as long as a person takes to unlock
/// it, and must not be asked from within an async runtime.
fn from_keyring(
    entry: &str,
    engine: &str,
    longest: Duration,
    ask: impl FnOnce(&str, &str) -> Result<String, String> + Send + 'static,
) -> Result<Key, EngineError> {
    let failed = |message: String| EngineError::Keyring {
        engine: engine.to_owned(),
        entry: entry.to_owned(),
        message,
    };
    let (service, user) = entry
        .split_once('/')
        .filter(|(service, user)| !service.is_empty() && !user.is_empty())
        .ok_or_else(|| {
            failed("`key_keyring` under [engine] must be of the form service/user".to_owned())
        })?;
    let (sender, receiver) = mpsc::channel();
    let (own_service, own_user) = (service.to_owned(), user.to_owned());
    std::thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || sender.send(ask(&own_service, &own_user)))
        .map_err(|error| failed(error.to_string()))?;
    let how = || {
        format!(
            "store it with `secret-tool store --label {service} service {service} username \
             {user}` on Linux, `security add-generic-password -s {service} -a {user} -w` on \
             macOS, or set the key's environment variable instead"
        )
    };
    match receiver.recv_timeout(longest) {
        Ok(Ok(value)) if !value.trim().is_empty() => Ok(Key {
            value: Some(value),
            place: format!("the keyring entry {entry}"),
        }),
        Ok(Ok(_)) => Err(failed(format!("the entry is empty; {}", how()))),
        Ok(Err(message)) => Err(failed(format!("{message}; {}", how()))),
        Err(_) => Err(failed(format!(
            "it did not answer within {} s; is it locked? {}",
            longest.as_secs(),
            how()
        ))),
    }
}

fn ask_keyring(service: &str, user: &str) -> Result<String, String> {
    // Its errors may carry what is stored, so each is told in our own words.
    let told = |error: keyring::Error| match error {
        keyring::Error::NoEntry => "there is no such entry".to_owned(),
        keyring::Error::NoDefaultStore => match keyring::Entry::store_status() {
            Err(error) => format!("there is no keyring to ask ({error})"),
            Ok(()) => "there is no keyring to ask".to_owned(),
        },
        keyring::Error::BadEncoding(_) => "the entry is no text".to_owned(),
        keyring::Error::Ambiguous(_) => "several entries fit".to_owned(),
        keyring::Error::NoStorageAccess(_) => "it cannot be opened; is it locked?".to_owned(),
        keyring::Error::PlatformFailure(error) => format!("the system's keyring failed ({error})"),
        _ => "the system's keyring failed".to_owned(),
    };
    keyring::Entry::new(service, user)
        .and_then(|entry| entry.get_password())
        .map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_key_comes_from_the_keyring_and_is_not_shown() {
        let key = from_keyring("ropes/me", "openai:m", SOON, |service, user| {
            assert_eq!((service, user), ("ropes", "me"));
            Ok("sk-hidden-1".to_owned())
        })
        .unwrap();
        assert_eq!(key.value.as_deref(), Some("sk-hidden-1"));
        assert!(!format!("{key:?}").contains("hidden"));
        assert_eq!(key.place, "the keyring entry ropes/me");
    }

    #[test]
    fn a_keyring_without_the_entry_says_how_to_store_it() {
        let missing = |_: &str, _: &str| Err("there is no such entry".to_owned());
        let error = from_keyring("ropes/me", "openai:m", SOON, missing).unwrap_err();
        let text = error.to_string();
        for part in [
            "ropes/me",
            "no such entry",
            "secret-tool store",
            "username me",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let error = from_keyring("ropes", "openai:m", SOON, missing).unwrap_err();
        assert!(error.to_string().contains("service/user"), "{error}");
    }

    #[test]
    fn a_keyring_that_does_not_answer_is_given_up() {
        let (release, held) = mpsc::channel::<()>();
        let locked = move |_: &str, _: &str| {
            let _ = held.recv();
            Ok(String::new())
        };
        let wait = Duration::from_millis(10);
        let error = from_keyring("ropes/me", "openai:m", wait, locked).unwrap_err();
        assert!(error.to_string().contains("locked"), "{error}");
        drop(release);
    }
}
