//! Where the tables of files are kept while they are asked.
//!
//! Without a cache that is a folder of its own among the temporary ones, which goes when nobody
//! asks any more; what a killed process left there goes with the next one.
//!
//! In a cache it is a file named after the paths and after what is in the files. It gets that name
//! when it is whole, and is written to the disk before: under that name there is all or nothing.
//! Of the same paths only what is newest is kept, and what somebody still asks. Nobody but this
//! user may read it: the files themselves may be such that nobody else may.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::database::files::find::{Source, reading};
use crate::database::files::watch::Watch;
use crate::database::files::{About, FileError};

/// Marks a database as one of these, of this form.
pub(super) const MARK: i32 = 0x5277_0001;

const PREFIX: &str = "ropewalk-files-";

const LOCK: &str = "lock";

/// Time between two looks at whether another process is done.
const PAUSE: Duration = Duration::from_millis(50);

/// Makes the tables in a new file.
pub(super) type Fill<'a> = dyn FnMut(&Path) -> Result<About, FileError> + 'a;

/// Where tables are, for as long as this is there.
pub(super) struct Home {
    pub(super) path: PathBuf,
    /// Says that it is in use; let go of before the folder.
    _lock: File,
    /// A folder of its own.
    _folder: Option<TempDir>,
}

impl Home {
    /// Tables that go with this.
    pub(super) fn private(fill: &mut Fill<'_>) -> Result<(Self, About), FileError> {
        let among = std::env::temp_dir();
        sweep(&among);
        let failed = |error: io::Error| keeping(&among, &error);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&among);
        let folder = folder.map_err(failed)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let path = folder.path().join("tables.db");
        let about = fill(&path)?;
        let home = Self {
            path,
            _lock: lock,
            _folder: Some(folder),
        };
        Ok((home, about))
    }

    /// Tables that are kept for the next time, and may have been for this one.
    pub(super) fn cached(
        cache: &Path,
        sources: &[Source],
        watch: &Watch<'_>,
        fill: &mut Fill<'_>,
    ) -> Result<(Self, About), FileError> {
        let failed = |error: io::Error| keeping(cache, &error);
        let mut new = DirBuilder::new();
        let new = new.recursive(true);
        private(new).create(cache).map_err(failed)?;
        let (paths, content) = keys(sources, watch)?;
        let named = |ending: &str| cache.join(format!("{paths}-{content}.{ending}"));
        let kept = Kept {
            database: named("db"),
            about: named("json"),
        };
        if let Some(kept) = kept.open() {
            return Ok(kept);
        }
        let lock = File::create(cache.join(format!("{paths}.lock"))).map_err(failed)?;
        wait(&lock, cache, watch)?;
        // Another process may have made it meanwhile.
        if let Some(kept) = kept.open() {
            return Ok(kept);
        }
        // Whatever is there of these paths is old, or of somebody who was killed.
        remove(cache, &format!("{paths}-"));
        let part = named("part");
        let made = kept.make(&part, fill);
        if made.is_err() {
            let _ = fs::remove_file(&part);
        }
        made
    }
}

/// The two files in which tables are kept.
struct Kept {
    database: PathBuf,
    about: PathBuf,
}

impl Kept {
    fn open(&self) -> Option<(Home, About)> {
        let about = File::open(&self.about).ok()?;
        // Nobody takes them away while this is held.
        about.try_lock_shared().ok()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&self.database, flags).ok()?;
        let mark: i32 = connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .ok()?;
        let told = serde_json::from_reader(io::BufReader::new(&about)).ok()?;
        (mark == MARK).then(|| (self.home(about), told))
    }

    fn make(&self, part: &Path, fill: &mut Fill<'_>) -> Result<(Home, About), FileError> {
        let failed = |error: io::Error| keeping(&self.database, &error);
        let mut new = File::options();
        let new = new.write(true).create(true).truncate(true);
        own(new).open(part).map_err(failed)?;
        let about = fill(part)?;
        let written = serde_json::to_vec(&about).map_err(|error| failed(error.into()))?;
        fs::write(&self.about, written).map_err(failed)?;
        // SQLite was told not to wait for the disk.
        let file = File::options().write(true).open(part).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let lock = File::open(&self.about).map_err(failed)?;
        lock.lock_shared().map_err(failed)?;
        fs::rename(part, &self.database).map_err(failed)?;
        Ok((self.home(lock), about))
    }

    fn home(&self, lock: File) -> Home {
        Home {
            path: self.database.clone(),
            _lock: lock,
            _folder: None,
        }
    }
}

/// What stands for the paths of files, and what stands for all that is in them.
fn keys(sources: &[Source], watch: &Watch<'_>) -> Result<(String, String), FileError> {
    let mut paths = blake3::Hasher::new();
    let mut content = blake3::Hasher::new();
    content.update(&MARK.to_le_bytes());
    content.update(&watch.limits.rows.to_le_bytes());
    let mut chunk = vec![0; 256 << 10];
    for source in sources {
        let whole = fs::canonicalize(&source.path);
        let whole = whole.map_err(|error| reading(&source.path, error))?;
        let whole = whole.as_os_str().as_encoded_bytes();
        paths.update(&(whole.len() as u64).to_le_bytes());
        paths.update(whole);
        let mut file = source.open()?;
        let mut own = blake3::Hasher::new();
        loop {
            watch.row()?;
            let read = file.read(&mut chunk);
            let read = read.map_err(|error| reading(&source.path, error))?;
            match chunk.get(..read) {
                Some(part) if read > 0 => own.update(part),
                _ => break,
            };
        }
        content.update(own.finalize().as_bytes());
        source.is_as_it_was()?;
    }
    let short = |hasher: &blake3::Hasher| {
        let digits = hasher.finalize().to_hex();
        digits.chars().take(32).collect::<String>()
    };
    Ok((short(&paths), short(&content)))
}

/// Waits until no other process makes tables of the same paths.
fn wait(lock: &File, cache: &Path, watch: &Watch<'_>) -> Result<(), FileError> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {
                watch.row()?;
                thread::sleep(PAUSE);
            }
            Err(TryLockError::Error(error)) => return Err(keeping(cache, &error)),
        }
    }
}

/// Removes what processes left behind that were killed.
fn sweep(among: &Path) {
    let Ok(entries) = fs::read_dir(among) else {
        return;
    };
    for entry in entries.flatten() {
        let own = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let lock = entry.path().join(LOCK);
        // Anybody may make such folders: what is no file could keep whoever opens it for ever.
        let own = own && fs::symlink_metadata(&lock).is_ok_and(|about| about.is_file());
        // Without a lock yet, it is about to be used.
        let lock = own.then(|| File::open(lock));
        if let Some(Ok(lock)) = lock
            && lock.try_lock().is_ok()
            && entry.path().join("tables.db").exists()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Removes what is kept under names that begin so, and is not in use.
fn remove(folder: &Path, begins: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let one = entry.file_name().to_string_lossy().starts_with(begins);
        if !one {
            continue;
        }
        // Held until it is gone: nobody begins to use it meanwhile.
        let about = File::open(path.with_extension("json")).ok();
        let used = about
            .as_ref()
            .is_some_and(|about| about.try_lock().is_err());
        if !used {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
fn private(folder: &mut DirBuilder) -> &mut DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(folder, 0o700)
}

#[cfg(not(unix))]
fn private(folder: &mut DirBuilder) -> &mut DirBuilder {
    folder
}

/// A file that is nobody else's to read.
#[cfg(unix)]
fn own(file: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(file, 0o600)
}

#[cfg(not(unix))]
fn own(file: &mut OpenOptions) -> &mut OpenOptions {
    file
}

fn keeping(path: &Path, error: &io::Error) -> FileError {
    FileError::Keep {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
