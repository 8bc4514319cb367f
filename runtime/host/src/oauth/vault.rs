//! Where tokens are kept: in the system's keyring where there is one, else in a file that only its
//! owner can read.
//!
//! What is kept says who issued it. A token or a client id of one authorization server never goes
//! to another.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rmcp::transport::auth::{AuthError, CredentialStore, StoredCredentials};
use ropewalk_core::digest::digest;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::reference::in_keyring;

/// The keyring's service for tokens.
const SERVICE: &str = "ropewalk-oauth";

/// The version of what is written.
const VERSION: u32 = 1;

/// What is known of one server's authorization.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// Who issued it.
    pub(crate) issuer: String,
    /// The tokens, and the client they were given to.
    pub(crate) credentials: StoredCredentials,
    /// The secret of a client that registered itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
    /// The address with which the client was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_uri: Option<String>,
}

impl Record {
    pub(crate) fn new(issuer: String, credentials: StoredCredentials) -> Self {
        Self {
            version: VERSION,
            issuer,
            credentials,
            client_secret: None,
            redirect_uri: None,
        }
    }
}

/// Where records are kept.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// A folder for files; nothing is kept in files when left out.
    pub folder: Option<PathBuf>,
    /// Whether the system's keyring is used first.
    pub keyring: bool,
}

/// The record of one server.
#[derive(Clone)]
pub(crate) struct Vault {
    url: String,
    keeping: Keeping,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    looked: bool,
    record: Option<Record>,
}

impl Vault {
    pub(crate) fn new(url: &str, keeping: Keeping) -> Self {
        Self {
            url: url.to_owned(),
            keeping,
            held: Arc::default(),
        }
    }

    fn held<T>(&self, with: impl FnOnce(&mut Held) -> T) -> T {
        with(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is kept. What cannot be read is as good as gone: the person is asked again.
    pub(crate) async fn load(&self) -> Option<Record> {
        if self.held(|held| held.looked) {
            return self.held(|held| held.record.clone());
        }
        let text = match self.in_the_keyring().await {
            Some(text) => Some(text),
            None => self
                .file()
                .and_then(|path| std::fs::read_to_string(path).ok()),
        };
        let record = text.and_then(|text| serde_json::from_str::<Record>(&text).ok());
        let record = record.filter(|record| record.version == VERSION);
        self.held(|held| {
            held.looked = true;
            held.record = record.clone();
        });
        record
    }

    /// Keeps a record in the place of the last one.
    ///
    /// # Errors
    /// When it can be kept nowhere; it is used until the program ends all the same.
    pub(crate) async fn save(&self, record: Record) -> Result<(), String> {
        let text = serde_json::to_string(&record).map_err(|error| error.to_string())?;
        self.held(|held| {
            held.looked = true;
            held.record = Some(record);
        });
        if self.keeping.keyring {
            let kept = text.clone();
            let user = self.url.clone();
            let set = in_keyring(SERVICE, &user, move |entry| entry.set_password(&kept)).await;
            match set {
                Ok(_) => {
                    self.remove_file();
                    return Ok(());
                }
                Err(why) => tracing::debug!(why, "tokens are not kept in the keyring"),
            }
        }
        match self.file() {
            Some(path) => write_for_owner(&path, &text)
                .map_err(|error| format!("{} cannot be written: {error}", path.display())),
            None => Ok(()),
        }
    }

    /// Forgets what is kept.
    pub(crate) async fn clear(&self) {
        self.held(|held| {
            held.looked = true;
            held.record = None;
        });
        if self.keeping.keyring {
            // One that is not there is gone already.
            let _ = in_keyring(SERVICE, &self.url, |entry| entry.delete_credential()).await;
        }
        self.remove_file();
    }

    async fn in_the_keyring(&self) -> Option<String> {
        if !self.keeping.keyring {
            return None;
        }
        in_keyring(SERVICE, &self.url, |entry| entry.get_password())
            .await
            .ok()
            .flatten()
    }

    /// Named by a digest: an address cannot lead out of the folder.
    fn file(&self) -> Option<PathBuf> {
        let folder = self.keeping.folder.as_ref()?;
        let name = digest(&json!(self.url));
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        Some(folder.join(format!("{name}.json")))
    }

    fn remove_file(&self) {
        if let Some(path) = self.file() {
            // One that is not there is gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The library saves what it gets with its own word for the issuer; the record around it stays.
#[async_trait]
impl CredentialStore for Vault {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        Ok(Vault::load(self).await.map(|record| record.credentials))
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let issuer = credentials.issuer.clone().unwrap_or_default();
        let record = match Vault::load(self).await {
            Some(record) if record.issuer == issuer => Record {
                credentials,
                ..record
            },
            _ => Record::new(issuer, credentials),
        };
        Vault::save(self, record)
            .await
            .map_err(AuthError::CredentialStoreError)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        Vault::clear(self).await;
        Ok(())
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_for_owner(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let partial = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(issuer: &str) -> Record {
        let credentials = StoredCredentials::new("me".to_owned(), None, Vec::new(), None)
            .with_issuer(Some(issuer.to_owned()));
        Record::new(issuer.to_owned(), credentials)
    }

    #[tokio::test]
    async fn a_record_is_kept_in_a_file_of_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            folder: Some(place.path().join("credentials")),
            keyring: false,
        };
        let url = "https://example.com/../../mcp";
        let vault = Vault::new(url, keeping.clone());
        vault.save(record("https://issuer")).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(place.path().join("credentials"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = files[0].metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = Vault::new(url, keeping.clone());
        assert_eq!(again.load().await.unwrap().issuer, "https://issuer");
        let other = Vault::new("https://example.com/mcp", keeping);
        assert!(other.load().await.is_none(), "of that server alone");
        again.clear().await;
        assert!(again.load().await.is_none());
        assert!(again.file().is_some_and(|path| !path.exists()));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_as_good_as_none() {
        let place = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            folder: Some(place.path().to_owned()),
            keyring: false,
        };
        let vault = Vault::new("https://example.com", keeping);
        std::fs::write(vault.file().unwrap(), "{\"version\": 99}").unwrap();
        assert!(vault.load().await.is_none());
    }
}
