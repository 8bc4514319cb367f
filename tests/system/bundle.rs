//! The MCPB bundle starts the server that it says it holds, and the registry's entry fits it.

use std::path::{Path, PathBuf};
use std::process::Command;

use ropewalk_mcpb::{Bundle, Packing, Platform, make, registry_entry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::program::{PROGRAM, Place, handshake};

/// What a client does with a word of the manifest before it starts the server.
fn filled(word: &Value, bundle: &Path, folder: &Path) -> String {
    word.as_str()
        .unwrap()
        .replace("${__dirname}", bundle.to_str().unwrap())
        .replace("${user_config.folder}", folder.to_str().unwrap())
}

/// The program without what only a debugger reads, where that can be taken out: most of its bytes.
fn stripped(place: &Place) -> PathBuf {
    let bare = place.path().join("stripped");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&bare)
        .arg(PROGRAM)
        .output();
    match strip {
        Ok(done) if done.status.success() => bare,
        _ => PathBuf::from(PROGRAM),
    }
}

#[test]
fn a_bundle_starts_the_server_it_lists() {
    let place = Place::new();
    let path = place.path().join("ropewalk.mcpb");
    let bundle = make(&stripped(&place), &path, Platform::HERE, Packing::None).unwrap();
    assert_eq!(bundle.bytes, path.metadata().unwrap().len());
    assert!(!place.path().join("ropewalk.mcpb.part").exists());

    let installed = place.path().join("installed");
    let mut zip = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    zip.extract(&installed).unwrap();
    for licence in ["LICENSE-MIT", "LICENSE-APACHE", "LICENSE-all-MiniLM-L6-v2"] {
        assert!(installed.join(licence).metadata().unwrap().len() > 500);
    }
    let manifest = std::fs::read_to_string(installed.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        manifest["compatibility"]["platforms"],
        json!([Platform::HERE.id()])
    );
    let entry_point = manifest["server"]["entry_point"].as_str().unwrap();
    assert!(installed.join(entry_point).is_file());

    let documents = place.path().join("documents");
    std::fs::create_dir(&documents).unwrap();
    let start = &manifest["server"]["mcp_config"];
    let mut command = Command::new(filled(&start["command"], &installed, &documents));
    let arguments = start["args"].as_array().unwrap().iter();
    command.args(arguments.map(|word| filled(word, &installed, &documents)));
    command.current_dir("/").env_clear();
    let answer = handshake(command);
    assert_eq!(
        answer["result"]["protocolVersion"], "2025-11-25",
        "{answer}"
    );
    let names = |tools: &Value| {
        let tools = tools.as_array().unwrap().iter();
        let mut names: Vec<_> = tools.map(|tool| tool["name"].to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&answer["tools"]), names(&manifest["tools"]));
    assert!(documents.join(".ropewalk").exists());
}

#[test]
fn the_same_program_makes_the_same_bundle() {
    let place = Place::new();
    let program = place.write("program", [7; 5_000]);
    let made = |name: &str, platform, packing| {
        make(&program, &place.path().join(name), platform, packing).unwrap()
    };
    let one = made("one", Platform::Windows, Packing::Small);
    let two = made("two", Platform::Windows, Packing::Small);
    assert_eq!((&one.sha256, one.bytes), (&two.sha256, two.bytes));
    let read = std::fs::read(&one.path).unwrap();
    let digits = Sha256::digest(&read);
    let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(one.sha256, digits);
    let whole = made("whole", Platform::Windows, Packing::None);
    assert!(one.bytes < whole.bytes);

    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(read)).unwrap();
    let program = zip.by_name("server/ropewalk.exe").unwrap();
    assert_eq!(program.unix_mode().unwrap() & 0o777, 0o755);

    let missing = make(
        &place.path().join("missing"),
        &place.path().join("none"),
        Platform::Linux,
        Packing::Small,
    );
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("cargo build --release"), "{error}");
    let nowhere = place.path().join("no/where");
    let error = make(&one.path, &nowhere, Platform::Linux, Packing::Small).unwrap_err();
    assert!(
        error.to_string().contains("cannot write the bundle"),
        "{error}"
    );
}

#[test]
fn the_registry_is_told_where_a_bundle_is_and_what_is_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let server = std::fs::read_to_string(root.join("server.json")).unwrap();
    let server: Value = serde_json::from_str(&server).unwrap();
    assert_eq!(server["version"], env!("CARGO_PKG_VERSION"));
    let manifest = std::fs::read_to_string(root.join("mcpb/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));

    let bundle = Bundle {
        path: "ropewalk.mcpb".into(),
        bytes: 1,
        sha256: "ab".repeat(32),
    };
    for url in [
        "http://example.com/ropewalk.mcpb",
        "https://example.com/ropewalk.zip",
    ] {
        assert!(registry_entry(&bundle, url).is_err(), "{url}");
    }
    let url = "https://example.com/releases/ropewalk-linux.mcpb";
    let entry = registry_entry(&bundle, url).unwrap();
    // What the registry demands of an entry, in our words.
    let schema = json!({
        "type": "object",
        "required": ["$schema", "name", "description", "version", "packages"],
        "properties": {
            "name": {
                "type": "string", "minLength": 3, "maxLength": 200,
                "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$",
            },
            "title": {"type": "string", "minLength": 1, "maxLength": 100},
            "description": {"type": "string", "minLength": 1, "maxLength": 100},
            "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            "packages": {"type": "array", "minItems": 1, "items": {
                "required": ["registryType", "identifier", "fileSha256", "transport"],
                "properties": {
                    "registryType": {"const": "mcpb"},
                    "identifier": {"const": url},
                    "fileSha256": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
                    "transport": {"const": {"type": "stdio"}},
                },
            }},
        },
    });
    let problems: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&entry)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(problems, [""; 0]);
}
