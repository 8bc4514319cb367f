//! Whether a configured program may be run.
//!
//! A configuration comes with a folder that somebody else may have written. So the first time a
//! command is about to be run, and whenever another one stands in its place, a person sees exactly
//! what would be run and says yes or no. A yes is remembered for that command, that folder and
//! those variables, and for nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use ropewalk_core::digest::digest;
use ropewalk_core::unseen::with_unseen_named;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use crate::config::ServerConfig;
use crate::oauth::vault::write_for_owner;

/// The version of what is written.
const VERSION: u32 = 1;

/// A program about to be run, exactly as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The server it is for.
    pub server: String,
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// The folder it starts in.
    pub folder: PathBuf,
    /// Names of the environment variables it gets besides the few every program needs.
    pub variables: Vec<String>,
}

impl CommandLine {
    /// Of a server that is a program; `None` for one that is reached by its address.
    pub fn of(server: &str, config: &ServerConfig) -> Option<Self> {
        let program = config.command.clone()?;
        let folder = config.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        Some(Self {
            server: server.to_owned(),
            argv: std::iter::once(program)
                .chain(config.args.iter().cloned())
                .collect(),
            folder: std::path::absolute(&folder).unwrap_or(folder),
            variables: config.env.keys().cloned().collect(),
        })
    }

    /// What a yes is kept under: another command has another one.
    pub fn digest(&self) -> String {
        digest(&json!([
            self.server,
            self.argv,
            self.folder.to_string_lossy(),
            self.variables
        ]))
    }
}

/// `"npx" "-y" "some-server" in /home/me/project, with the variables TOKEN`. Characters that are
/// not seen are named, so that nothing is hidden.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argv: Vec<String> = self
            .argv
            .iter()
            .map(|part| with_unseen_named(&json!(part).to_string()))
            .collect();
        write!(f, "{} in {}", argv.join(" "), self.folder.display())?;
        if !self.variables.is_empty() {
            write!(f, ", with the variables {}", self.variables.join(", "))?;
        }
        Ok(())
    }
}

/// Decides whether a program may be run.
#[async_trait]
pub trait Consent: Send + Sync {
    /// Whether it may be run now.
    ///
    /// # Errors
    /// Why not, and what to do about it.
    async fn may_run(&self, command: &CommandLine) -> Result<(), String>;
}

/// For programs that choose the commands themselves: everything may be run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Granted;

#[async_trait]
impl Consent for Granted {
    async fn may_run(&self, _: &CommandLine) -> Result<(), String> {
        Ok(())
    }
}

/// Nothing may be run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Withheld;

#[async_trait]
impl Consent for Withheld {
    async fn may_run(&self, command: &CommandLine) -> Result<(), String> {
        Err(format!("nobody agreed to run {command}"))
    }
}

/// Asks a person about a command.
#[async_trait]
pub trait Asker: Send + Sync {
    /// Whether they agree. `before` is what ran under the same name, if it was another command.
    async fn agrees(&self, command: &CommandLine, before: Option<&str>) -> bool;
}

/// What a person agreed to, kept in a file that only they can write.
///
/// The file must not lie in a folder that comes from somebody else: it could bring its own.
pub struct Approvals {
    path: Option<PathBuf>,
    asker: Option<Box<dyn Asker>>,
    /// One question at a time, and one writer.
    kept: Mutex<()>,
}

/// What is in the file.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// By digest.
    approved: BTreeMap<String, Approved>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Approved {
    server: String,
    folder: PathBuf,
    /// What was shown, for people who look into the file.
    command: String,
}

impl Approvals {
    /// Kept in this file, or not at all. With no asker, what was not agreed to before is not run.
    pub fn new(path: Option<PathBuf>, asker: Option<Box<dyn Asker>>) -> Self {
        Self {
            path,
            asker,
            kept: Mutex::new(()),
        }
    }

    /// Remembers that a person agreed.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub async fn approve(&self, command: &CommandLine) -> Result<(), String> {
        let _one = self.kept.lock().await;
        if self.path.is_none() {
            return Err(
                "there is no folder to remember it in; set HOME or ROPEWALK_HOME".to_owned(),
            );
        }
        self.add(command)
    }

    fn add(&self, command: &CommandLine) -> Result<(), String> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut kept = read(path)?;
        kept.version = VERSION;
        // What ran there under that name is not approved any more.
        kept.approved.retain(|_, old| !replaces(command, old));
        let approved = Approved {
            server: command.server.clone(),
            folder: command.folder.clone(),
            command: command.to_string(),
        };
        kept.approved.insert(command.digest(), approved);
        let text = serde_json::to_string_pretty(&kept).map_err(|error| error.to_string())?;
        write_for_owner(path, &text)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }
}

#[async_trait]
impl Consent for Approvals {
    async fn may_run(&self, command: &CommandLine) -> Result<(), String> {
        let _one = self.kept.lock().await;
        let kept = match &self.path {
            Some(path) => read(path)?,
            None => Kept::default(),
        };
        if kept.approved.contains_key(&command.digest()) {
            return Ok(());
        }
        let before = kept.approved.values().find(|old| replaces(command, old));
        let before = before.map(|old| old.command.as_str());
        if let Some(asker) = &self.asker {
            return match asker.agrees(command, before).await {
                true => self.add(command),
                false => Err(format!("you did not agree to run {command}")),
            };
        }
        let why = match before {
            None => "nobody has agreed yet to run".to_owned(),
            Some(before) => {
                format!("it changed since somebody agreed; it was {before}, and now is")
            }
        };
        Err(format!(
            "{why} {command}; look at it, and if it is what you want: ropewalk servers trust {}",
            command.server
        ))
    }
}

/// Whether a command stands where another one stood.
fn replaces(command: &CommandLine, old: &Approved) -> bool {
    old.server == command.server && old.folder == command.folder
}

fn read(path: &Path) -> Result<Kept, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let kept: Kept = serde_json::from_str(&text)
        .map_err(|error| format!("{} is damaged: {error}; remove it", path.display()))?;
    if kept.version > VERSION {
        return Err(format!(
            "{} was written by a newer version of this program",
            path.display()
        ));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex as StdMutex;

    use super::*;

    fn config(args: &[&str]) -> ServerConfig {
        ServerConfig {
            command: Some("npx".to_owned()),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: [("TOKEN".to_owned(), "0123456789".to_owned())].into(),
            cwd: Some(PathBuf::from("/project")),
            ..ServerConfig::default()
        }
    }

    fn command(args: &[&str]) -> CommandLine {
        CommandLine::of("s", &config(args)).unwrap()
    }

    /// Says this, and keeps what it was asked.
    struct Says(bool, Arc<StdMutex<Vec<Option<String>>>>);

    #[async_trait]
    impl Asker for Says {
        async fn agrees(&self, _: &CommandLine, before: Option<&str>) -> bool {
            self.1.lock().unwrap().push(before.map(str::to_owned));
            self.0
        }
    }

    #[tokio::test]
    async fn a_command_is_asked_about_once_and_again_when_it_changed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("approvals.json");
        let asked = Arc::new(StdMutex::new(Vec::new()));
        let willing = Says(true, Arc::clone(&asked));
        let approvals = Approvals::new(Some(path.clone()), Some(Box::new(willing)));
        let first = command(&["-y", "server"]);
        for _ in 0..3 {
            approvals.may_run(&first).await.unwrap();
        }
        assert_eq!(*asked.lock().unwrap(), [None]);
        let second = command(&["-y", "server", "--all"]);
        approvals.may_run(&second).await.unwrap();
        assert_eq!(asked.lock().unwrap()[1], Some(first.to_string()));

        let alone = Approvals::new(Some(path.clone()), None);
        alone.may_run(&second).await.unwrap();
        let refused = alone.may_run(&first).await.unwrap_err();
        assert!(refused.contains("it changed since"), "{refused}");
        assert!(refused.contains("ropewalk servers trust s"), "{refused}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("0123456789"), "values are not kept");
    }

    #[tokio::test]
    async fn a_no_is_a_no_and_is_not_remembered_as_a_yes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("approvals.json");
        let asked = Arc::new(StdMutex::new(Vec::new()));
        let approvals = Approvals::new(
            Some(path.clone()),
            Some(Box::new(Says(false, asked.clone()))),
        );
        assert!(approvals.may_run(&command(&[])).await.is_err());
        assert!(approvals.may_run(&command(&[])).await.is_err());
        assert_eq!(asked.lock().unwrap().len(), 2);
        std::fs::write(&path, "no JSON").unwrap();
        let damaged = approvals.may_run(&command(&[])).await.unwrap_err();
        assert!(damaged.contains("is damaged"), "{damaged}");
    }

    #[test]
    fn everything_that_matters_is_in_the_digest_and_nothing_is_hidden() {
        let base = command(&["a", "b"]);
        let moved = ServerConfig {
            cwd: Some(PathBuf::from("/elsewhere")),
            ..config(&["a", "b"])
        };
        let mut more = config(&["a", "b"]);
        more.env.insert("LD_PRELOAD".to_owned(), String::new());
        for other in [
            command(&["a b"]),
            command(&["b", "a"]),
            CommandLine::of("s", &moved).unwrap(),
            CommandLine::of("s", &more).unwrap(),
            CommandLine::of("t", &config(&["a", "b"])).unwrap(),
        ] {
            assert_ne!(other.digest(), base.digest(), "{other}");
        }
        let sly = command(&["a\u{202e}b", "c\nd", "\" e"]);
        let shown = sly.to_string();
        assert!(
            !shown.contains('\u{202e}') && !shown.contains('\n'),
            "{shown}"
        );
        assert!(shown.contains(r#""\" e""#), "{shown}");
    }
}
