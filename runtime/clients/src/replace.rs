//! A file is replaced in one step, or not at all: whoever reads it sees the old text or the new
//! one, also after a crash in the middle.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another program of ours may be at work in the same folder.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a place that is taken is looked at again.
const PAUSE: Duration = Duration::from_millis(20);
/// How many links may lead from one to the next.
const MOST_LINKS: usize = 40;

/// The file that a path leads to, through links; it need not be there.
pub(crate) fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => {
                let folder = path.parent().unwrap_or(Path::new("."));
                path = folder.join(target);
            }
            // Not a link, or not there.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("links lead in a circle"))
}

/// A turn at the files of one folder: programs that take it do so one after the other. Where the
/// system knows no locks for folders, everybody has a turn.
pub(crate) struct Turn {
    _folder: Option<File>,
}

impl Turn {
    /// Waits for the turn.
    pub(crate) fn take(folder: &Path) -> io::Result<Self> {
        // A folder cannot be opened on Windows.
        let Ok(opened) = File::open(folder) else {
            return Ok(Self { _folder: None });
        };
        let begun = Instant::now();
        loop {
            match opened.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        _folder: Some(opened),
                    });
                }
                Err(std::fs::TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => {
                    return Err(io::Error::other(
                        "another program has been changing settings there for ten seconds",
                    ));
                }
                Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(std::fs::TryLockError::Error(_)) => return Ok(Self { _folder: None }),
            }
        }
    }
}

/// Writes a file anew beside its place and moves it there. `like` is the file whose permissions
/// and owner it takes, if there is one.
pub(crate) fn replace(path: &Path, text: &str, like: Option<&Metadata>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    writable(folder)?;
    let mut beside = tempfile::Builder::new();
    beside.prefix(".ropewalk-").suffix(".new");
    if like.is_none() {
        as_others(&mut beside);
    }
    let mut file = beside.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Some(like) = like {
        // Nobody but the user can read it up to here: there may be keys in it.
        file.as_file().set_permissions(like.permissions())?;
        give_to_owner(file.path(), like);
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The move itself is on the disk once the folder is.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// A new file is as open as the user's mask lets files be.
#[cfg(unix)]
fn as_others(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn as_others(_: &mut tempfile::Builder<'_, '_>) {}

/// An administrator who changes a user's file leaves it the user's.
#[cfg(unix)]
fn give_to_owner(path: &Path, like: &Metadata) {
    use std::os::unix::fs::{MetadataExt, chown};
    let same =
        std::fs::metadata(path).is_ok_and(|now| (now.uid(), now.gid()) == (like.uid(), like.gid()));
    if !same {
        // Who may not give files away owns the new one, which is how other editors do it too.
        let _ = chown(path, Some(like.uid()), Some(like.gid()));
    }
}

#[cfg(not(unix))]
fn give_to_owner(_: &Path, _: &Metadata) {}

/// Whoever made a folder read-only wants nothing changed in it, not even by an administrator.
#[cfg(unix)]
fn writable(folder: &Path) -> io::Result<()> {
    if std::fs::metadata(folder)?.permissions().readonly() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the folder is read-only",
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn writable(_: &Path) -> io::Result<()> {
    Ok(())
}
