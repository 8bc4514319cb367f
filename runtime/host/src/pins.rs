//! Where pins are kept: tool definitions as they were agreed to.
//!
//! The file is written anew and put in the old one's place, under a lock, so that neither a crash
//! nor a second process leaves half of it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ropewalk_core::pin::{PINS_VERSION, Pins};

/// Pins in a state folder.
#[derive(Debug, Clone)]
pub struct PinStore {
    file: PathBuf,
    lock: PathBuf,
}

/// Why pins cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PinError {
    path: PathBuf,
    message: String,
}

impl PinStore {
    /// The pins of a folder; nothing is written yet.
    pub fn new(folder: &Path) -> Self {
        Self {
            file: folder.join("pins.json"),
            lock: folder.join("pins.lock"),
        }
    }

    /// What was agreed to. No file is no pins.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another version.
    pub fn read(&self) -> Result<Pins, PinError> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Pins::default());
            }
            Err(error) => return Err(self.failed(&error)),
        };
        let pins: Pins = serde_json::from_str(&text).map_err(|error| {
            self.failed(&format!(
                "it is damaged ({error}); put back a copy, or remove it and look at every tool anew"
            ))
        })?;
        if pins.version != PINS_VERSION {
            let found = pins.version;
            return Err(self.failed(&format!(
                "it has form {found}; this program reads form {PINS_VERSION}"
            )));
        }
        Ok(pins)
    }

    /// Changes what was agreed to: nobody else does meanwhile.
    ///
    /// Blocks: not for an async thread.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn change<T>(&self, change: impl FnOnce(&mut Pins) -> T) -> Result<T, PinError> {
        let failed = |error: std::io::Error| self.failed(&error);
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(failed)?;
        lock.lock().map_err(failed)?;
        let before = self.read()?;
        let mut pins = before.clone();
        let outcome = change(&mut pins);
        if pins != before || !self.file.exists() {
            self.write(&pins)?;
        }
        Ok(outcome)
    }

    fn write(&self, pins: &Pins) -> Result<(), PinError> {
        let failed = |error: std::io::Error| self.failed(&error);
        let text = serde_json::to_string_pretty(pins).map_err(|error| self.failed(&error))?;
        let beside = self.file.with_extension("json.new");
        let mut file = File::create(&beside).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&beside, &self.file).map_err(failed)
    }

    fn failed(&self, message: &dyn std::fmt::Display) -> PinError {
        PinError {
            path: self.file.clone(),
            message: message.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ropewalk_core::tool::{ToolHints, ToolSpec};
    use serde_json::json;

    use super::*;

    #[test]
    fn two_who_agree_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for server in ["a", "b", "c", "d"] {
                let store = PinStore::new(folder.path());
                scope.spawn(move || {
                    for number in 0..10 {
                        let spec = ToolSpec {
                            name: format!("{server}__{number}"),
                            description: String::new(),
                            input_schema: json!({}),
                            output_schema: None,
                            hints: ToolHints::default(),
                        };
                        let tool = number.to_string();
                        store
                            .change(|pins| pins.agree(server, &tool, &spec))
                            .unwrap();
                    }
                });
            }
        });
        let pins = PinStore::new(folder.path()).read().unwrap();
        assert_eq!(pins.servers.len(), 4);
        assert!(pins.servers.values().all(|tools| tools.len() == 10));
    }

    #[test]
    fn damaged_pins_are_said_to_be_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pins.json");
        std::fs::write(&file, "{\"version\": 1, \"serv").unwrap();
        let store = PinStore::new(folder.path());
        let error = store
            .change(|pins| pins.forget("a"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("pins.json: it is damaged"), "{error}");
        std::fs::write(&file, "{\"version\": 9}").unwrap();
        assert!(store.read().unwrap_err().to_string().contains("form 9"));
    }
}
