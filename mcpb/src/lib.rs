//! The program as an MCPB bundle, which desktop clients install with one click, and the entry of
//! such a bundle in the MCP registry.
//!
//! - [`make`] puts a built program and the manifest into a bundle. The same program makes the same
//!   bundle, byte for byte.
//! - [`registry_entry`] is `server.json` with the place and the hash of a bundle in it.
//!
//! `manifest.json` beside this package is the manifest; what depends on the program is filled in.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const MANIFEST: &str = include_str!("../manifest.json");
const SERVER: &str = include_str!("../../server.json");
/// What goes with the program wherever it goes.
const LICENCES: [(&str, &str); 3] = [
    (
        "LICENSE-all-MiniLM-L6-v2",
        include_str!("../../models/all-MiniLM-L6-v2/LICENSE"),
    ),
    ("LICENSE-MIT", include_str!("../../LICENSE-MIT")),
    ("LICENSE-APACHE", include_str!("../../LICENSE-APACHE")),
];
/// Files that may be run, and files that may not.
const RUN: u32 = 0o755;
const READ: u32 = 0o644;

/// The system a program is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl Platform {
    /// The one this is running on.
    pub const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };

    /// Its name in a manifest.
    pub fn id(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::MacOs => "darwin",
            Self::Windows => "win32",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Linux | Self::MacOs => "server/ropewalk",
            Self::Windows => "server/ropewalk.exe",
        }
    }
}

/// How much work goes into making a bundle small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As much as is usual.
    Small,
    /// None: for a bundle that is opened again at once.
    None,
}

/// A bundle that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Where it is.
    pub path: PathBuf,
    /// How large it is, in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal, as the registry wants it.
    pub sha256: String,
}

/// Why there is no bundle, or no entry for it.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The program could not be read.
    #[error("cannot read the program {}: {source}; build it first, with `cargo build --release`", path.display())]
    Program {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The bundle could not be written.
    #[error("cannot write the bundle {}: {source}", path.display())]
    Write {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that is compiled in is not what it should be.
    #[error("{file} is not an object in JSON: {problem}")]
    Template {
        /// Which.
        file: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The registry would refuse the address.
    #[error(
        "the registry takes https addresses that have `mcp` in them, and {url} is none: name the bundle so that it has"
    )]
    Address {
        /// The address.
        url: String,
    },
}

/// Makes a bundle of a built program.
///
/// # Errors
/// When the program cannot be read or the bundle cannot be written. A bundle that was there before
/// is there still.
pub fn make(
    program: &Path,
    bundle: &Path,
    platform: Platform,
    packing: Packing,
) -> Result<Bundle, BundleError> {
    let unread = |source| BundleError::Program {
        path: program.to_owned(),
        source,
    };
    let unwritten = |source| BundleError::Write {
        path: bundle.to_owned(),
        source,
    };
    let mut program = File::open(program).map_err(unread)?;
    let large = program.metadata().map_err(unread)?.len() >= u64::from(u32::MAX);
    let manifest = manifest(platform)?;

    // Made beside its place, so that nobody takes half a bundle for a whole one.
    let folder = bundle
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut name = bundle.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = folder.join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&part)
        .map_err(unwritten)?;
    let written = pack(file, &manifest, &mut program, platform, packing, large);
    let bundled = written.and_then(|mut file| {
        let (bytes, sha256) = hash(&mut file)?;
        file.sync_all()?;
        std::fs::rename(&part, bundle)?;
        Ok(Bundle {
            path: bundle.to_owned(),
            bytes,
            sha256,
        })
    });
    bundled.map_err(|source| {
        let _ = std::fs::remove_file(&part);
        unwritten(source)
    })
}

fn pack(
    file: File,
    manifest: &str,
    program: &mut File,
    platform: Platform,
    packing: Packing,
    large: bool,
) -> io::Result<File> {
    // Dates would make every bundle another one; without them all are of 1980.
    let method = match packing {
        Packing::Small => CompressionMethod::Deflated,
        Packing::None => CompressionMethod::Stored,
    };
    let options = SimpleFileOptions::DEFAULT
        .compression_method(method)
        .unix_permissions(READ);
    let mut zip = ZipWriter::new(file);
    zip.start_file("manifest.json", options)?;
    zip.write_all(manifest.as_bytes())?;
    for (name, text) in LICENCES {
        zip.start_file(name, options)?;
        zip.write_all(text.as_bytes())?;
    }
    let options = options.unix_permissions(RUN).large_file(large);
    zip.start_file(platform.program(), options)?;
    io::copy(program, &mut zip)?;
    Ok(zip.finish()?)
}

fn hash(file: &mut File) -> io::Result<(u64, String)> {
    file.rewind()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        hasher.update(part);
        bytes += part.len() as u64;
    }
    let digits = hasher.finalize();
    let digits = digits.iter().map(|byte| format!("{byte:02x}"));
    Ok((bytes, digits.collect()))
}

/// The manifest for a system.
fn manifest(platform: Platform) -> Result<String, BundleError> {
    let mut manifest = template("mcpb/manifest.json", MANIFEST)?;
    let version = manifest.get_mut("version");
    if let Some(version) = version {
        *version = json!(env!("CARGO_PKG_VERSION"));
    }
    let program = platform.program();
    let fields = [
        ("/server/entry_point", json!(program)),
        (
            "/server/mcp_config/command",
            json!(format!("${{__dirname}}/{program}")),
        ),
    ];
    for (place, value) in fields {
        let field = manifest.pointer_mut(place);
        *field.ok_or_else(|| BundleError::Template {
            file: "mcpb/manifest.json",
            problem: format!("it has no {place}"),
        })? = value;
    }
    if let Some(manifest) = manifest.as_object_mut() {
        let compatibility = json!({"platforms": [platform.id()]});
        manifest.insert("compatibility".to_owned(), compatibility);
    }
    Ok(format!("{manifest:#}\n"))
}

/// `server.json` for the registry, with a bundle that lies at an address.
///
/// # Errors
/// When the registry would refuse the address.
pub fn registry_entry(bundle: &Bundle, url: &str) -> Result<Value, BundleError> {
    if !url.starts_with("https://") || !url.contains("mcp") {
        return Err(BundleError::Address {
            url: url.to_owned(),
        });
    }
    let mut server = template("server.json", SERVER)?;
    if let Some(server) = server.as_object_mut() {
        let version = env!("CARGO_PKG_VERSION");
        server.insert("version".to_owned(), json!(version));
        server.insert(
            "packages".to_owned(),
            json!([{
                "registryType": "mcpb",
                "identifier": url,
                "version": version,
                "fileSha256": bundle.sha256,
                "transport": {"type": "stdio"},
            }]),
        );
    }
    Ok(server)
}

fn template(file: &'static str, text: &str) -> Result<Value, BundleError> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(BundleError::Template {
            file,
            problem: "it is something else".to_owned(),
        }),
        Err(error) => Err(BundleError::Template {
            file,
            problem: error.to_string(),
        }),
    }
}
