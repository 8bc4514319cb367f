//! `ropewalk install`: what a client finds in its settings afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Outcome, PROGRAM, Place, handshake};

/// A user with a home of their own, in a folder of their own.
struct User {
    place: Place,
}

/// Clients, their files of a user on this system, and of a folder.
fn files() -> [(&'static str, &'static str, Option<&'static str>); 6] {
    let mac = cfg!(target_os = "macos");
    let pick = |there, here| if mac { there } else { here };
    [
        (
            "vscode",
            pick(
                "Library/Application Support/Code/User/mcp.json",
                ".config/Code/User/mcp.json",
            ),
            Some(".vscode/mcp.json"),
        ),
        ("cursor", ".cursor/mcp.json", Some(".cursor/mcp.json")),
        (
            "claude-desktop",
            pick(
                "Library/Application Support/Claude/claude_desktop_config.json",
                ".config/Claude/claude_desktop_config.json",
            ),
            None,
        ),
        ("claude-code", ".claude.json", Some(".mcp.json")),
        (
            "zed",
            ".config/zed/settings.json",
            Some(".zed/settings.json"),
        ),
        ("codex", ".codex/config.toml", Some(".codex/config.toml")),
    ]
}

impl User {
    fn new() -> Self {
        let place = Place::new();
        std::fs::create_dir(place.path().join("home")).unwrap();
        std::fs::create_dir(place.path().join("ropes")).unwrap();
        Self { place }
    }

    fn home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("ropes").canonicalize().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.current_dir(self.folder()).env("HOME", self.home());
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&self.command(arguments).output().unwrap())
    }

    fn done(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome
    }
}

/// What a client starts, as it reads it from its file.
fn started(client: &str, file: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(file).unwrap();
    let (table, settings): (_, Value) = match client {
        "codex" => ("mcp_servers", {
            let table: toml::Table = text.parse().unwrap();
            serde_json::to_value(table).unwrap()
        }),
        // No comments are in these files, so that plain JSON is all there is.
        "vscode" => ("servers", serde_json::from_str(&text).unwrap()),
        "zed" => ("context_servers", serde_json::from_str(&text).unwrap()),
        _ => ("mcpServers", serde_json::from_str(&text).unwrap()),
    };
    settings[table][name].clone()
}

#[test]
fn every_client_gets_its_entry_and_loses_it() {
    for (client, of_user, of_folder) in files() {
        let user = User::new();
        let scopes = [
            (vec![], Some(user.home().join(of_user))),
            (
                vec!["--project"],
                of_folder.map(|file| user.folder().join(file)),
            ),
        ];
        for (scope, file) in scopes {
            let arguments = |more: &[&'static str]| {
                let mut arguments = vec!["install", "--client", client];
                arguments.extend(&scope);
                arguments.extend(more);
                arguments
            };
            let Some(file) = file else {
                user.run(&arguments(&[]))
                    .failed_saying("leave --project out");
                continue;
            };
            let shown = user.done(&arguments(&[]));
            assert!(shown.out.contains(&file.display().to_string()), "{shown:?}");
            assert!(shown.err.contains("--write"), "{shown:?}");
            assert!(!file.exists());
            user.done(&arguments(&["--write"]));
            let entry = started(client, &file, "ropewalk");
            let folder = user.folder().display().to_string();
            assert_eq!(entry["command"], json!(PROGRAM));
            assert_eq!(entry["args"], json!(["--directory", folder, "mcp"]));
            assert_eq!(entry.get("env"), None);
            let said_type = matches!(client, "vscode" | "cursor" | "claude-code");
            assert_eq!(entry.get("type").is_some(), said_type);
            let again = user.done(&arguments(&["--write"]));
            assert!(again.out.contains("there already"), "{again:?}");
            let would = user.done(&arguments(&["--remove"]));
            assert!(would.out.contains("+++ /dev/null"), "{would:?}");
            assert!(file.exists());
            user.done(&arguments(&["--remove", "--write"]));
            assert!(!file.exists());
            let nothing = user.done(&arguments(&["--remove", "--write"]));
            assert!(nothing.out.contains("no such entry"), "{nothing:?}");
        }
    }
}

#[test]
fn a_users_own_settings_come_back_to_the_byte() {
    let user = User::new();
    let settings = "// Zed settings\n{\n  \"theme\": \"One Dark\", // mine\n  \"context_servers\": {\n    \"other\": {\"command\": \"other\", \"args\": []},\n  },\n}\n";
    let zed = user.place.write("home/.config/zed/settings.json", settings);
    let config =
        "# Codex\nmodel = \"large\"\n\n[mcp_servers.other] # mine\ncommand = 'x'\n\n[tui]\n";
    let codex = user.place.write("home/.codex/config.toml", config);
    let both = [
        "install", "--client", "zed", "--client", "codex", "--server", "vector",
    ];
    user.done(&[&both[..], &["--server", "mcp", "--write"]].concat());
    for (client, file) in [("zed", &zed), ("codex", &codex)] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            text.contains("# mine") || text.contains("// mine"),
            "{text}"
        );
        let backup = format!("{}.before-ropewalk", file.display());
        assert!(Path::new(&backup).exists(), "{client}");
    }
    let entry = started("codex", &codex, "ropewalk-vector");
    assert_eq!(entry["args"][2], "server");
    assert_eq!(entry["args"][3], "vector");
    user.done(&[&both[..], &["--server", "mcp", "--remove", "--write"]].concat());
    assert_eq!(std::fs::read_to_string(zed).unwrap(), settings);
    assert_eq!(std::fs::read_to_string(codex).unwrap(), config);
}

#[test]
fn a_server_starts_as_its_entry_says() {
    let user = User::new();
    let report = user.done(&[
        "install", "--client", "cursor", "--server", "vector", "--json",
    ]);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    let entry = &report["clients"][0]["entries"][0];
    assert_eq!(entry["name"], "ropewalk-vector");
    assert_eq!(report["clients"][0]["written"], false);
    let arguments = entry["args"].as_array().unwrap().iter();
    // A client starts it in a folder of its own, with hardly any environment.
    let mut command = Command::new(entry["command"].as_str().unwrap());
    command.args(arguments.map(|argument| argument.as_str().unwrap()));
    command.current_dir("/").env_clear();
    let answer = handshake(command);
    assert_eq!(
        answer["result"]["protocolVersion"], "2025-11-25",
        "{answer}"
    );
    assert!(user.folder().join(".ropewalk/vector").exists());
}

#[test]
fn what_is_wrong_is_said() {
    let user = User::new();
    let unknown = user.run(&["install", "--client", "emacs"]);
    assert_eq!(unknown.code, Some(2));
    for (client, ..) in files() {
        assert!(unknown.err.contains(client), "{unknown:?}");
    }
    let unknown = user.run(&["install", "--client", "zed", "--server", "nothing"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("mcp, vector"), "{unknown:?}");
    let none = user.run(&["install"]);
    assert_eq!(none.code, Some(2), "{none:?}");

    let mut homeless = user.command(&["install", "--client", "codex"]);
    Outcome::of(&homeless.env_remove("HOME").output().unwrap()).failed_saying("HOME is not set");
    let mut homeless = user.command(&["install", "--client", "codex", "--project"]);
    let outcome = Outcome::of(&homeless.env_remove("HOME").output().unwrap());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");

    user.place
        .write("home/.cursor/mcp.json", "{\n  \"mcpServers\" {}\n}");
    let arguments = ["install", "--client", "cursor", "--write"];
    user.run(&arguments).failed_saying("line 2, column 16");
    // What cannot be done for one client is done for the others.
    let two = [
        "install", "--client", "cursor", "--client", "codex", "--write",
    ];
    user.run(&two).failed_saying("line 2, column 16");
    assert!(user.home().join(".codex/config.toml").exists());

    user.place.write(
        "home/.cursor/mcp.json",
        r#"{"mcpServers": {"mine": {"command": "npx"}}}"#,
    );
    let named = ["install", "--client", "cursor", "--name", "mine", "--write"];
    user.run(&named).failed_saying("it starts npx");
    let file = ["--client", "codex", "--file", "settings"];
    let one = user.run(&[&["install", "--client", "zed"], &file[..]].concat());
    one.failed_saying("give one --client");
    let lost = user.run(&["--directory", "nowhere", "install", "--client", "zed"]);
    lost.failed_saying("cannot work in nowhere");
    let several = ["--server", "mcp", "--server", "vector", "--name", "mine"];
    let several = user.run(&[&["install", "--client", "zed"], &several[..]].concat());
    several.failed_saying("--name names one server");
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_read_only_is_not_written_to() {
    use std::os::unix::fs::PermissionsExt;
    let user = User::new();
    let folder = user.place.write("home/.codex/config.toml", "a = 1\n");
    let folder = folder.parent().unwrap();
    let open = |mode| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode));
    open(0o555).unwrap();
    let outcome = user.run(&["install", "--client", "codex", "--write"]);
    open(0o755).unwrap();
    outcome.failed_saying("the folder is read-only");
}

#[test]
fn any_file_can_be_named() {
    let user = User::new();
    let file = user.place.write("ropes/insiders.json", "{\n\t// mine\n}\n");
    let arguments = ["install", "--client", "vscode", "--file", "insiders.json"];
    user.done(&[&arguments[..], &["--write"]].concat());
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("{\n\t// mine\n"), "{text}");
    assert!(text.contains(PROGRAM));
    user.done(&[&arguments[..], &["--write", "--remove"]].concat());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\n\t// mine\n}\n");
}

#[test]
fn claude_is_both_of_its_clients() {
    let user = User::new();
    let clients = |arguments: &[&str]| {
        let outcome =
            user.done(&[&["install", "--client", "claude", "--json"], arguments].concat());
        let report: Value = serde_json::from_str(&outcome.out).unwrap();
        let clients = report["clients"].as_array().unwrap().iter();
        clients
            .map(|client| client["client"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(clients(&[]), ["claude-desktop", "claude-code"]);
    assert_eq!(clients(&["--project"]), ["claude-code"]);
    assert_eq!(
        clients(&["--client", "claude-code"]),
        ["claude-desktop", "claude-code"]
    );
}

#[test]
fn an_entry_for_others_does_not_make_the_program_start_itself() {
    let user = User::new();
    user.done(&["install", "--client", "claude-code", "--project", "--write"]);
    let doctor = user.run(&["doctor", "--json"]);
    let doctor: Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(
        doctor["checks"][0]["says"], "0 servers configured",
        "{doctor}"
    );
}

#[cfg(unix)]
#[test]
fn a_file_is_whole_whenever_the_program_is_killed() {
    let user = User::new();
    let theirs = format!("# {}\nmodel = \"large\"\n", "mine ".repeat(20_000));
    let file = user.place.write("home/.codex/config.toml", &theirs);
    for round in 0..24u64 {
        let mut arguments = vec!["install", "--client", "codex", "--write"];
        if round % 2 == 1 {
            arguments.push("--remove");
        }
        let mut command = user.command(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Spread over the time that a run takes.
        std::thread::sleep(std::time::Duration::from_millis(round * 4));
        let _ = child.kill();
        child.wait().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(&theirs), "cut off in round {round}");
        let table: toml::Table = text.parse().unwrap();
        assert!(text == theirs || table.contains_key("mcp_servers"));
    }
}
