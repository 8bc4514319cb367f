//! `ropewalk install`: the entry that starts Ropewalk in another MCP client, printed or written.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use ropewalk_clients::client::{Client, Machine, Scope, System};
use ropewalk_clients::edit;
use ropewalk_clients::entry::Entry;
use ropewalk_clients::settings::{Change, Outcome, Settings};
use serde::Serialize;
use serde_json::json;
use similar::TextDiff;

use crate::arguments::installing::{ClientName, Install};
use crate::progress::{print, say};
use crate::{Ending, with_causes};

/// The server that is everything a folder has: its agents and graphs.
pub(crate) const EVERYTHING: &str = "mcp";

pub(crate) fn run(options: Install) -> anyhow::Result<Ending> {
    let folder = std::env::current_dir().context("the working directory is not there any more")?;
    let entries = entries(&options, &folder)?;
    let clients = clients(&options);
    if options.file.is_some() && clients.len() > 1 {
        return Err(anyhow!(
            "--file is the file of one client: give one --client with it"
        ));
    }
    let machine = Machine {
        system: System::HERE,
        folder,
        variable: |name| std::env::var_os(name).map(PathBuf::from),
    };
    let mut reports = Vec::new();
    let mut ending = Ending::Done;
    for client in clients {
        match install(client, &entries, &machine, &options) {
            Ok(report) => reports.push(report),
            // One client that cannot be set up leaves the others alone.
            Err(error) => {
                say(&format!("error: {}", with_causes(&error)));
                ending = Ending::Failed;
            }
        }
    }
    if options.json {
        print(&serde_json::to_string(&json!({"clients": reports}))?);
    } else {
        for report in &reports {
            report.print();
        }
        if !options.write && reports.iter().any(|report| report.changes) {
            say("nothing has been written; --write does it");
        }
    }
    if std::env::var_os("ROPEWALK_HOME").is_some_and(|home| !home.is_empty()) {
        say(
            "note: ROPEWALK_HOME is set here, but not where clients start servers: state will be in .ropewalk of this folder",
        );
    }
    Ok(ending)
}

/// The clients that are meant, each once.
fn clients(options: &Install) -> Vec<Client> {
    let mut clients = Vec::new();
    for name in &options.clients {
        let meant: &[Client] = match name {
            ClientName::VsCode => &[Client::VsCode],
            ClientName::Cursor => &[Client::Cursor],
            ClientName::ClaudeDesktop => &[Client::ClaudeDesktop],
            ClientName::ClaudeCode => &[Client::ClaudeCode],
            // Claude Desktop knows nothing of folders.
            ClientName::Claude if options.project => &[Client::ClaudeCode],
            ClientName::Claude => &[Client::ClaudeDesktop, Client::ClaudeCode],
            ClientName::Zed => &[Client::Zed],
            ClientName::Codex => &[Client::Codex],
        };
        for client in meant {
            if !clients.contains(client) {
                clients.push(*client);
            }
        }
    }
    clients
}

/// What starts the servers that are asked for, in this folder.
fn entries(options: &Install, folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let program = std::env::current_exe().context("where this program is cannot be found out")?;
    let program = lasting(program, std::env::var_os("PATH").as_deref());
    let everything = [EVERYTHING.to_owned()];
    let servers: &[String] = if options.servers.is_empty() {
        &everything
    } else {
        &options.servers
    };
    if options.name.is_some() && servers.len() > 1 {
        return Err(anyhow!(
            "--name names one server: give one --server with it"
        ));
    }
    let entries = servers.iter().map(|server| {
        let (name, start): (_, &[&str]) = if server == EVERYTHING {
            ("ropewalk".to_owned(), &[EVERYTHING])
        } else {
            (format!("ropewalk-{server}"), &["server", server])
        };
        let directory = ["--directory".to_owned(), text(folder)?];
        let start = start.iter().map(ToString::to_string);
        Ok(Entry {
            name: options.name.clone().unwrap_or(name),
            command: text(&program)?,
            args: directory.into_iter().chain(start).collect(),
        })
    });
    entries.collect()
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        anyhow!(
            "{} is not UTF-8, and settings files are: use a path that is",
            path.display()
        )
    })
}

/// The path under which the program will be found after its next update too: where the search path
/// has it, if that is the program that runs.
fn lasting(program: PathBuf, search: Option<&OsStr>) -> PathBuf {
    let (Ok(running), Some(name)) = (program.canonicalize(), program.file_name()) else {
        return program;
    };
    let folders = search.map(std::env::split_paths).into_iter().flatten();
    let found = folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.canonicalize().is_ok_and(|path| path == running));
    found.unwrap_or(program)
}

/// What is, or would be, done for one client.
#[derive(Serialize)]
struct Report {
    client: &'static str,
    #[serde(skip)]
    title: &'static str,
    scope: &'static str,
    file: PathBuf,
    entries: Vec<serde_json::Value>,
    /// The entries as the whole of a file.
    #[serde(skip)]
    alone: String,
    #[serde(skip)]
    exists: bool,
    changes: bool,
    written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<PathBuf>,
    diff: String,
    #[serde(skip)]
    then: &'static str,
    #[serde(skip)]
    removing: bool,
}

fn install(
    client: Client,
    entries: &[Entry],
    machine: &Machine,
    options: &Install,
) -> anyhow::Result<Report> {
    let scope = if options.project {
        Scope::Project
    } else {
        Scope::User
    };
    let file = match &options.file {
        Some(file) => machine.folder.join(file),
        None => client.file(scope, machine)?,
    };
    let form = client.form();
    let alone = entries
        .iter()
        .try_fold(String::new(), |text, entry| edit::put(&text, &form, entry))?;
    let change = if options.remove {
        Change::Take(entries.iter().map(|entry| entry.name.clone()).collect())
    } else {
        Change::Put(entries.to_vec())
    };
    let settings = Settings { path: file, form };
    let (outcome, backup) = if options.write {
        let applied = settings.apply(&change)?;
        (applied.outcome, applied.backup)
    } else {
        (settings.preview(&change)?, None)
    };
    let listed = entries
        .iter()
        .map(|entry| json!({"name": entry.name, "command": entry.command, "args": entry.args}));
    Ok(Report {
        client: client.id(),
        title: client.title(),
        scope: match (&options.file, scope) {
            (Some(_), _) => "file",
            (None, Scope::User) => "user",
            (None, Scope::Project) => "project",
        },
        entries: listed.collect(),
        alone,
        exists: outcome.before.is_some(),
        changes: outcome.changes(),
        written: options.write && outcome.changes(),
        backup,
        diff: difference(&settings.path, &outcome),
        then: client.then(scope),
        removing: options.remove,
        file: settings.path,
    })
}

/// What changes in the file, as a unified diff.
fn difference(file: &Path, outcome: &Outcome) -> String {
    let before = outcome.before.as_deref().unwrap_or_default();
    let after = outcome.after.as_deref().unwrap_or_default();
    let name = file.display().to_string();
    let nothing = || "/dev/null".to_owned();
    let old = outcome
        .before
        .as_ref()
        .map_or_else(nothing, |_| name.clone());
    let new = outcome
        .after
        .as_ref()
        .map_or_else(nothing, |_| name.clone());
    TextDiff::from_lines(before, after)
        .unified_diff()
        .header(&old, &new)
        .to_string()
}

impl Report {
    fn print(&self) {
        let Self { title, file, .. } = self;
        let file = file.display();
        let place = match self.scope {
            "user" => "for you, in every folder",
            "project" => "for everybody who opens this folder",
            _ => "in this file",
        };
        if self.written {
            say(&match (&self.backup, self.file.exists()) {
                (Some(backup), true) => {
                    format!("wrote {file}; as it was: {}", backup.display())
                }
                (Some(backup), false) => format!(
                    "removed {file}, which held nothing else; as it was: {}",
                    backup.display()
                ),
                (None, _) => format!("wrote {file}"),
            });
        }
        if self.removing {
            if self.changes {
                print(self.diff.trim_end());
            } else {
                print(&format!("{title}: {file} has no such entry"));
            }
            return;
        }
        if !self.written {
            print(&format!("{title}, {place}: {file}\n\n{}", self.alone));
            if !self.changes {
                print("The entry is there already.\n");
            } else if self.exists {
                print(&format!("What --write changes:\n\n{}", self.diff));
            } else {
                print("The file is not there yet; --write makes it.\n");
            }
            return;
        }
        print(self.diff.trim_end());
        say(&format!("next: {}", self.then));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_on_the_search_path_outlives_the_version_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("cellar/1.0/ropewalk");
        let bin = folder.path().join("bin");
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(&program, "").unwrap();
        let link = bin.join("ropewalk");
        let search = std::env::join_paths([Path::new("relative"), &bin]).unwrap();
        assert_eq!(lasting(program.clone(), Some(&search)), program);
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert_eq!(lasting(program.clone(), Some(&search)), link);
        assert_eq!(lasting(program.clone(), None), program);
        // Another program of that name is not taken for this one.
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "other").unwrap();
        assert_eq!(lasting(program.clone(), Some(&search)), program);
    }
}
