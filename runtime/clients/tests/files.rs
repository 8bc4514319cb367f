//! Settings files are changed whole or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use ropewalk_clients::client::Client;
use ropewalk_clients::edit::find;
use ropewalk_clients::entry::Entry;
use ropewalk_clients::settings::{Change, Settings, SettingsError};

fn entry(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        command: "/usr/bin/ropewalk".to_owned(),
        args: vec!["server".to_owned(), name.to_owned()],
    }
}

fn put(names: &[&str]) -> Change {
    Change::Put(names.iter().map(|name| entry(name)).collect())
}

fn take(names: &[&str]) -> Change {
    Change::Take(names.iter().map(ToString::to_string).collect())
}

fn settings(client: Client, path: &Path) -> Settings {
    Settings {
        path: path.to_owned(),
        form: client.form(),
    }
}

fn backup(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    path.with_file_name(format!("{name}.before-ropewalk"))
}

/// What else is in the file's folder.
fn beside(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let own = path.file_name().unwrap().to_str().unwrap();
    names.filter(|name| name != own).collect()
}

#[test]
fn a_file_is_made_and_goes_again() {
    for client in Client::ALL {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(client, &folder.path().join("deep/er/file"));
        let applied = settings.apply(&put(&["ropewalk"])).unwrap();
        assert_eq!((applied.outcome.before, applied.backup), (None, None));
        assert_eq!(beside(&settings.path), [""; 0]);
        let again = settings.apply(&put(&["ropewalk"])).unwrap();
        assert!(!again.outcome.changes());
        settings.apply(&take(&["ropewalk"])).unwrap();
        assert!(!settings.path.exists());
        assert!(
            !settings
                .apply(&take(&["ropewalk"]))
                .unwrap()
                .outcome
                .changes()
        );
        assert!(!settings.path.exists());
    }
}

#[test]
fn what_was_there_is_back_to_the_byte() {
    let texts = [
        "{}",
        "{ }\n",
        "{\n}",
        "{\"servers\":{ }}",
        "{\"servers\": {\n}}",
        "",
        "  \n",
    ];
    for text in texts {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(Client::VsCode, &folder.path().join("mcp.json"));
        std::fs::write(&settings.path, text).unwrap();
        let names = ["ropewalk", "ropewalk-vector"];
        let applied = settings.apply(&put(&names)).unwrap();
        let kept = applied.backup.unwrap();
        assert_eq!(kept, backup(&settings.path));
        assert_eq!(std::fs::read_to_string(kept).unwrap(), text);
        settings.apply(&take(&names)).unwrap();
        assert_eq!(std::fs::read_to_string(&settings.path).unwrap(), text);
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Client::Codex, &folder.path().join("config.toml"));
    std::fs::write(&settings.path, "a = 1\n# no line end").unwrap();
    settings.apply(&put(&["ropewalk"])).unwrap();
    settings.apply(&take(&["ropewalk"])).unwrap();
    let back = std::fs::read_to_string(&settings.path).unwrap();
    assert_eq!(back, "a = 1\n# no line end");
}

#[test]
fn an_older_entry_does_not_come_back_from_the_backup() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Client::Cursor, &folder.path().join("mcp.json"));
    settings.apply(&put(&["ropewalk"])).unwrap();
    let mut newer = entry("ropewalk");
    newer.command = "/opt/ropewalk".to_owned();
    settings.apply(&Change::Put(vec![newer])).unwrap();
    settings.apply(&take(&["ropewalk"])).unwrap();
    assert!(!settings.path.exists());
}

#[test]
fn what_others_wrote_since_stays() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Client::Cursor, &folder.path().join("mcp.json"));
    std::fs::write(&settings.path, "{}").unwrap();
    settings.apply(&put(&["ropewalk"])).unwrap();
    let text = std::fs::read_to_string(&settings.path).unwrap();
    std::fs::write(&settings.path, text.replacen('{', "{\"theirs\": 1,", 1)).unwrap();
    settings.apply(&take(&["ropewalk"])).unwrap();
    let left = std::fs::read_to_string(&settings.path).unwrap();
    assert_eq!(left, "{\"theirs\": 1\n}");
}

#[test]
fn a_preview_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Client::Zed, &folder.path().join("zed/settings.json"));
    let outcome = settings.preview(&put(&["ropewalk"])).unwrap();
    assert!(outcome.changes() && outcome.before.is_none());
    assert!(!folder.path().join("zed").exists());
}

#[test]
fn a_broken_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(Client::VsCode, &folder.path().join("mcp.json"));
    for text in [&b"{\n  oops\n}"[..], b"\xff\xfe{}"] {
        std::fs::write(&settings.path, text).unwrap();
        let error = settings.apply(&put(&["ropewalk"])).unwrap_err().to_string();
        assert!(error.contains("mcp.json"), "{error}");
        assert!(
            error.contains("line 2, column 3") || error.contains("UTF-8"),
            "{error}"
        );
        assert_eq!(std::fs::read(&settings.path).unwrap(), text);
        assert_eq!(beside(&settings.path), [""; 0]);
    }
    let folder = settings.path.parent().unwrap();
    let error = vscode(folder).apply(&put(&["ropewalk"])).unwrap_err();
    assert!(error.to_string().contains("not a file"), "{error}");
}

fn vscode(path: &Path) -> Settings {
    settings(Client::VsCode, path)
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn permissions_stay_and_the_backup_has_them_too() {
        for wanted in [0o600, 0o640, 0o666] {
            let folder = tempfile::tempdir().unwrap();
            let settings = settings(Client::ClaudeCode, &folder.path().join(".claude.json"));
            std::fs::write(&settings.path, "{\"key\": \"secret\"}").unwrap();
            set_mode(&settings.path, wanted);
            settings.apply(&put(&["ropewalk"])).unwrap();
            assert_eq!(mode(&settings.path), wanted);
            assert_eq!(mode(&backup(&settings.path)), wanted);
        }
    }

    #[test]
    fn links_stay_links() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("dotfiles/settings.json");
        std::fs::create_dir_all(real.parent().unwrap()).unwrap();
        let between = folder.path().join("between");
        symlink("dotfiles/settings.json", &between).unwrap();
        let path = folder.path().join("settings.json");
        symlink(&between, &path).unwrap();
        let settings = settings(Client::Zed, &path);
        // The file they lead to is made, changed, and kept.
        settings.apply(&put(&["ropewalk"])).unwrap();
        settings.apply(&put(&["ropewalk-vector"])).unwrap();
        assert!(backup(&real).exists());
        settings
            .apply(&take(&["ropewalk", "ropewalk-vector"]))
            .unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap().trim(), "{}");
        for link in [&path, &between] {
            assert!(std::fs::symlink_metadata(link).unwrap().is_symlink());
        }
        let circle = folder.path().join("circle");
        symlink("circle", &circle).unwrap();
        let error = super::settings(Client::Zed, &circle).apply(&put(&["ropewalk"]));
        assert!(error.unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn what_is_read_only_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(Client::VsCode, &folder.path().join("mcp.json"));
        std::fs::write(&settings.path, "{}").unwrap();
        set_mode(&settings.path, 0o444);
        let error = settings.apply(&put(&["ropewalk"])).unwrap_err();
        assert!(matches!(error, SettingsError::ReadOnly { .. }), "{error}");
        set_mode(&settings.path, 0o644);
        set_mode(folder.path(), 0o555);
        let error = settings.apply(&put(&["ropewalk"])).unwrap_err().to_string();
        set_mode(folder.path(), 0o755);
        assert!(
            error.contains("read-only") && error.contains("nothing was changed"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&settings.path).unwrap(), "{}");
        assert_eq!(beside(&settings.path), [""; 0]);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(Client::Codex, &folder.path().join("config.toml"));
        std::fs::write(&settings.path, "# mine\nmodel = \"large\"\n").unwrap();
        let names: Vec<String> = (0..12).map(|index| format!("server{index}")).collect();
        std::thread::scope(|scope| {
            for name in &names {
                let settings = &settings;
                scope.spawn(move || settings.apply(&put(&[name])).unwrap());
            }
            // Whoever reads meanwhile sees a whole file.
            for _ in 0..200 {
                let text = std::fs::read_to_string(&settings.path).unwrap();
                assert!(text.starts_with("# mine\nmodel"), "{text}");
                find(&text, &settings.form, "any").unwrap();
            }
        });
        let text = std::fs::read_to_string(&settings.path).unwrap();
        for name in &names {
            assert_eq!(
                find(&text, &settings.form, name).unwrap(),
                Some(entry(name))
            );
        }
        assert_eq!(
            beside(&settings.path).len(),
            1,
            "{:?}",
            beside(&settings.path)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_changes_leaves_what_was_asked_for(
        steps in prop::collection::vec((0usize..3, any::<bool>()), 1..8),
        which in prop::sample::select(Client::ALL.to_vec()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(which, &folder.path().join("settings"));
        let names = ["ropewalk", "ropewalk-vector", "third"];
        let mut there = [false; 3];
        for (index, putting) in steps {
            let change = if putting { put(&[names[index]]) } else { take(&[names[index]]) };
            settings.apply(&change).unwrap();
            there[index] = putting;
            let text = std::fs::read_to_string(&settings.path).unwrap_or_default();
            for (name, there) in names.iter().zip(there) {
                let found = find(&text, &settings.form, name).unwrap();
                prop_assert_eq!(found, there.then(|| entry(name)));
            }
        }
    }
}
