//! The clients: where their files are, and what an entry looks like there. The sources are in
//! `docs/decisions/0030-settings-of-clients-are-spliced.md`.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// A program that starts MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// Visual Studio Code.
    VsCode,
    /// Cursor.
    Cursor,
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Zed.
    Zed,
    /// Codex, as a program in the terminal and in editors.
    Codex,
}

/// For whom an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// For one user, in every folder.
    User,
    /// For everybody who opens one folder.
    Project,
}

/// The form of a client's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// How the file is written.
    pub syntax: Syntax,
    /// The table that holds the servers.
    pub table: &'static str,
    /// Whether an entry says that it is reached over standard input and output.
    pub says_stdio: bool,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// JSON and nothing more: the client refuses comments.
    Json,
    /// JSON with comments and trailing commas.
    JsonWithComments,
    /// TOML.
    Toml,
}

/// The kind of system, which decides where programs keep their settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux and other systems that follow its folders.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl System {
    /// The one this program was built for.
    pub const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };
}

/// Where things are on this machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The kind of system.
    pub system: System,
    /// The folder that is worked in, absolute.
    pub folder: PathBuf,
    /// Environment variables by name; only those that say where a client keeps its settings are
    /// asked for.
    pub variable: fn(&str) -> Option<PathBuf>,
}

/// Why there is no place for an entry.
#[derive(Debug, Error)]
pub enum NoPlace {
    /// The user's folder is not known.
    #[error(
        "where {client} keeps its settings is not known, because {variable} is not set: set it, name the file with --file, or take --project for this folder alone"
    )]
    NoHome {
        /// The client.
        client: &'static str,
        /// The variable that names the user's folder.
        variable: &'static str,
    },
    /// The client knows no settings of one folder.
    #[error("{client} has no settings for one folder: leave --project out")]
    NoProjects {
        /// The client.
        client: &'static str,
    },
}

impl Client {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::VsCode,
        Self::Cursor,
        Self::ClaudeDesktop,
        Self::ClaudeCode,
        Self::Zed,
        Self::Codex,
    ];

    /// Its name on a command line.
    pub fn id(self) -> &'static str {
        match self {
            Self::VsCode => "vscode",
            Self::Cursor => "cursor",
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Zed => "zed",
            Self::Codex => "codex",
        }
    }

    /// Its name in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::VsCode => "VS Code",
            Self::Cursor => "Cursor",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Zed => "Zed",
            Self::Codex => "Codex",
        }
    }

    /// The form of its file.
    pub fn form(self) -> Form {
        let (syntax, table, says_stdio) = match self {
            Self::VsCode => (Syntax::JsonWithComments, "servers", true),
            Self::Cursor => (Syntax::JsonWithComments, "mcpServers", true),
            Self::ClaudeDesktop => (Syntax::Json, "mcpServers", false),
            Self::ClaudeCode => (Syntax::Json, "mcpServers", true),
            Self::Zed => (Syntax::JsonWithComments, "context_servers", false),
            Self::Codex => (Syntax::Toml, "mcp_servers", false),
        };
        Form {
            syntax,
            table,
            says_stdio,
        }
    }

    /// What is left to do in the client once the entry is there.
    pub fn then(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Self::VsCode, _) => "VS Code asks whether to trust the server when it first starts it",
            (Self::Cursor, _) => "restart Cursor",
            (Self::ClaudeDesktop, _) => "quit Claude Desktop and start it again",
            (Self::ClaudeCode, Scope::User) => "start Claude Code anew; /mcp lists its servers",
            (Self::ClaudeCode, Scope::Project) => {
                "start Claude Code in this folder; it asks whether to use the server"
            }
            (Self::Zed, Scope::User) => "Zed starts it by itself",
            (Self::Zed, Scope::Project) => "Zed starts it once the folder is trusted",
            (Self::Codex, Scope::User) => "start Codex anew; /mcp lists its servers",
            (Self::Codex, Scope::Project) => {
                "start Codex in this folder, which it must trust; /mcp lists its servers"
            }
        }
    }

    /// The file where an entry belongs.
    ///
    /// # Errors
    /// When the user's folder is not known, or the client has no settings of one folder.
    pub fn file(self, scope: Scope, machine: &Machine) -> Result<PathBuf, NoPlace> {
        match scope {
            Scope::User => self.user_file(machine),
            Scope::Project => self.project_file(&machine.folder),
        }
    }

    fn project_file(self, folder: &Path) -> Result<PathBuf, NoPlace> {
        let file = match self {
            Self::VsCode => ".vscode/mcp.json",
            Self::Cursor => ".cursor/mcp.json",
            Self::ClaudeDesktop => {
                return Err(NoPlace::NoProjects {
                    client: self.title(),
                });
            }
            Self::ClaudeCode => ".mcp.json",
            Self::Zed => ".zed/settings.json",
            Self::Codex => ".codex/config.toml",
        };
        Ok(folder.join(file))
    }

    fn user_file(self, machine: &Machine) -> Result<PathBuf, NoPlace> {
        let system = machine.system;
        // A variable that holds no absolute path says nothing.
        let variable = |name: &str| {
            (machine.variable)(name).filter(|path| match system {
                System::Windows => !path.as_os_str().is_empty(),
                System::MacOs | System::Linux => path.is_absolute(),
            })
        };
        let home = || {
            let name = match system {
                System::Windows => "USERPROFILE",
                System::MacOs | System::Linux => "HOME",
            };
            variable(name).ok_or(NoPlace::NoHome {
                client: self.title(),
                variable: name,
            })
        };
        // Where programs keep what they are told.
        let settings = || match system {
            System::Windows => variable("APPDATA").ok_or(NoPlace::NoHome {
                client: self.title(),
                variable: "APPDATA",
            }),
            System::MacOs => Ok(home()?.join("Library/Application Support")),
            System::Linux => match variable("XDG_CONFIG_HOME") {
                Some(folder) => Ok(folder),
                None => Ok(home()?.join(".config")),
            },
        };
        match self {
            Self::VsCode => Ok(settings()?.join("Code/User/mcp.json")),
            Self::Cursor => Ok(home()?.join(".cursor/mcp.json")),
            Self::ClaudeDesktop => Ok(settings()?.join("Claude/claude_desktop_config.json")),
            Self::ClaudeCode => match variable("CLAUDE_CONFIG_DIR") {
                Some(folder) => Ok(folder.join(".claude.json")),
                None => Ok(home()?.join(".claude.json")),
            },
            Self::Zed => match system {
                System::Windows => Ok(settings()?.join("Zed/settings.json")),
                System::Linux => Ok(settings()?.join("zed/settings.json")),
                System::MacOs => Ok(home()?.join(".config/zed/settings.json")),
            },
            Self::Codex => match variable("CODEX_HOME") {
                Some(folder) => Ok(folder.join("config.toml")),
                None => Ok(home()?.join(".codex/config.toml")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(system: System, variable: fn(&str) -> Option<PathBuf>) -> Machine {
        Machine {
            system,
            folder: PathBuf::from("/home/ada/ropes"),
            variable,
        }
    }

    fn files(machine: &Machine) -> Vec<String> {
        let files = Client::ALL.iter().map(|client| {
            let file = client.file(Scope::User, machine).unwrap();
            file.to_string_lossy().replace('\\', "/")
        });
        files.collect()
    }

    #[test]
    fn files_of_a_user_are_where_the_clients_look() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/ada"));
        assert_eq!(
            files(&machine(System::Linux, home)),
            [
                "/home/ada/.config/Code/User/mcp.json",
                "/home/ada/.cursor/mcp.json",
                "/home/ada/.config/Claude/claude_desktop_config.json",
                "/home/ada/.claude.json",
                "/home/ada/.config/zed/settings.json",
                "/home/ada/.codex/config.toml",
            ]
        );
        assert_eq!(
            files(&machine(System::MacOs, home)),
            [
                "/home/ada/Library/Application Support/Code/User/mcp.json",
                "/home/ada/.cursor/mcp.json",
                "/home/ada/Library/Application Support/Claude/claude_desktop_config.json",
                "/home/ada/.claude.json",
                "/home/ada/.config/zed/settings.json",
                "/home/ada/.codex/config.toml",
            ]
        );
        let windows = |name: &str| match name {
            "USERPROFILE" => Some(PathBuf::from("C:/Users/ada")),
            "APPDATA" => Some(PathBuf::from("C:/Users/ada/AppData/Roaming")),
            _ => None,
        };
        assert_eq!(
            files(&machine(System::Windows, windows)),
            [
                "C:/Users/ada/AppData/Roaming/Code/User/mcp.json",
                "C:/Users/ada/.cursor/mcp.json",
                "C:/Users/ada/AppData/Roaming/Claude/claude_desktop_config.json",
                "C:/Users/ada/.claude.json",
                "C:/Users/ada/AppData/Roaming/Zed/settings.json",
                "C:/Users/ada/.codex/config.toml",
            ]
        );
    }

    #[test]
    fn variables_move_files_if_they_hold_a_path() {
        let moved = |name: &str| {
            Some(PathBuf::from(match name {
                "XDG_CONFIG_HOME" => "/etc/ada",
                "CLAUDE_CONFIG_DIR" => "/srv/claude",
                "CODEX_HOME" => "/srv/codex",
                _ => "/home/ada",
            }))
        };
        let files_of = files(&machine(System::Linux, moved));
        assert_eq!(files_of[0], "/etc/ada/Code/User/mcp.json");
        assert_eq!(files_of[3], "/srv/claude/.claude.json");
        assert_eq!(files_of[5], "/srv/codex/config.toml");
        let empty = |name: &str| Some(PathBuf::from(if name == "HOME" { "/home/ada" } else { "" }));
        assert_eq!(
            files(&machine(System::Linux, empty))[5],
            "/home/ada/.codex/config.toml"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let nowhere = machine(System::Linux, |_| None);
        for client in Client::ALL {
            let error = client.file(Scope::User, &nowhere).unwrap_err().to_string();
            assert!(
                error.contains("HOME") && error.contains("--project"),
                "{error}"
            );
        }
        let error = Client::ClaudeDesktop.file(Scope::Project, &nowhere);
        assert!(error.unwrap_err().to_string().contains("--project"));
        let file = Client::Zed.file(Scope::Project, &nowhere).unwrap();
        assert_eq!(file, Path::new("/home/ada/ropes/.zed/settings.json"));
    }
}
