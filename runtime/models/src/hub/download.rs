//! One file, taken up again where it was cut off.
//!
//! It grows as `FILE.SUM.part` beside its place, under a lock, and takes its place when it is
//! whole and its checksum is right. The name holds the beginning of the checksum, so that what is
//! left of one version of a file is never taken up for another.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::error::{HubError, reason};
use super::name::ModelName;
use super::selection::RemoteFile;
use super::{Hub, escaped};

/// Written at once.
const PIECE: usize = 1 << 20;
/// Attempts in a row that bring nothing.
const ATTEMPTS: u32 = 4;
/// Wait before the second attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Bytes of a file that are here, whole or in part.
pub(super) fn present(file: &RemoteFile, folder: &Path) -> u64 {
    let target = folder.join(&file.path);
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
    length(&target).max(length(&part_path(file, &target)))
}

fn part_path(file: &RemoteFile, target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    if let Some(sum) = file.sha256.as_deref().and_then(|sum| sum.get(..12)) {
        name.push(format!(".{sum}"));
    }
    name.push(".part");
    target.with_file_name(name)
}

impl Hub {
    /// Brings one file below a folder; gives the bytes that came over the network.
    pub(super) async fn fetch(
        &self,
        name: &ModelName,
        file: &RemoteFile,
        folder: &Path,
        cancel: &CancellationToken,
        tell: &mut impl FnMut(u64),
    ) -> Result<u64, HubError> {
        let target = folder.join(&file.path);
        if is_whole(file, &target).await? {
            tell(file.bytes);
            return Ok(0);
        }
        let parent = target.parent().unwrap_or(folder).to_owned();
        std::fs::create_dir_all(&parent).map_err(|error| HubError::disk(&parent, &error))?;
        let path = part_path(file, &target);
        let opened = (file.clone(), path);
        let mut part = blocking(move || Part::open(opened.0, opened.1)).await?;
        tell(part.length);
        let mut downloaded = 0;
        let mut fruitless = 0;
        while part.length < file.bytes {
            let before = part.length;
            let ended = self
                .stream(name, &mut part, cancel, tell, &mut downloaded)
                .await;
            match ended {
                Ok(()) => {}
                Err(error @ HubError::CutOff { .. }) => {
                    fruitless = if part.length > before {
                        1
                    } else {
                        fruitless + 1
                    };
                    if fruitless >= ATTEMPTS {
                        return Err(error);
                    }
                    let wait = FIRST_WAIT * 2u32.pow(fruitless - 1);
                    tracing::info!("{error}; trying again");
                    tokio::select! {
                        () = cancel.cancelled() => return Err(HubError::Cancelled),
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        blocking(move || part.finish(&target)).await?;
        Ok(downloaded)
    }

    /// Asks for what is missing and writes it, until the file is whole or the connection ends.
    async fn stream(
        &self,
        name: &ModelName,
        part: &mut Part,
        cancel: &CancellationToken,
        tell: &mut impl FnMut(u64),
        downloaded: &mut u64,
    ) -> Result<(), HubError> {
        let segments: Vec<String> = part.remote.path.split('/').map(escaped).collect();
        let url = format!(
            "{}/{}/resolve/{}/{}",
            self.endpoint,
            name.repository(),
            escaped(&name.revision),
            segments.join("/")
        );
        let mut request = self.client.get(url);
        if part.length > 0 {
            request = request.header(RANGE, format!("bytes={}-", part.length));
        }
        let sent = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(HubError::Cancelled),
            sent = request.send() => sent,
        };
        let response = match sent {
            Ok(response) => response,
            // The list of files came a moment ago: the hub is there.
            Err(error) => return Err(part.cut_off(reason(&error))),
        };
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE && part.length > 0 {
            part.restart()?;
            return Ok(());
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(part.cut_off(status.to_string()));
        }
        let response = self.accepted(name, Some(&part.remote.path), response)?;
        if status == StatusCode::PARTIAL_CONTENT {
            if range_start(&response) != Some(part.length) {
                return Err(self.bad_reply("it sends another part of the file than asked for"));
            }
        } else if part.length > 0 {
            // A server that knows no ranges sends everything.
            part.restart()?;
        }
        self.receive(response, part, cancel, tell, downloaded).await
    }

    async fn receive(
        &self,
        mut response: Response,
        part: &mut Part,
        cancel: &CancellationToken,
        tell: &mut impl FnMut(u64),
        downloaded: &mut u64,
    ) -> Result<(), HubError> {
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            let chunk = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    part.write(&piece).await?;
                    return Err(HubError::Cancelled);
                }
                chunk = response.chunk() => chunk,
            };
            match chunk {
                Ok(Some(chunk)) => {
                    *downloaded += chunk.len() as u64;
                    piece.extend_from_slice(&chunk);
                    if part.length + piece.len() as u64 > part.remote.bytes {
                        let longer = format!("{} is longer than announced", part.remote.path);
                        return Err(self.bad_reply(&longer));
                    }
                    tell(part.length + piece.len() as u64);
                    if piece.len() >= PIECE {
                        part.write(&piece).await?;
                        piece.clear();
                    }
                }
                Ok(None) => {
                    part.write(&piece).await?;
                    if part.length < part.remote.bytes {
                        return Err(part.cut_off("the file ended early".to_owned()));
                    }
                    return Ok(());
                }
                Err(error) => {
                    part.write(&piece).await?;
                    return Err(part.cut_off(reason(&error)));
                }
            }
        }
    }
}

/// The place at which `Content-Range: bytes 100-199/200` begins.
fn range_start(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.trim().parse().ok()
}

/// Whether a file is here and is what the hub has.
async fn is_whole(file: &RemoteFile, target: &Path) -> Result<bool, HubError> {
    if !std::fs::metadata(target).is_ok_and(|data| data.is_file() && data.len() == file.bytes) {
        return Ok(false);
    }
    // What has no checksum is small, and is fetched again: it may be of another version.
    let Some(expected) = file.sha256.clone() else {
        return Ok(false);
    };
    let target = target.to_owned();
    blocking(move || {
        let failed = |error: std::io::Error| HubError::disk(&target, &error);
        let mut content = File::open(&target).map_err(failed)?;
        let (_, hash) = hashed(&mut content).map_err(failed)?;
        Ok(hex(hash) == expected)
    })
    .await
}

/// A file that is growing.
struct Part {
    remote: RemoteFile,
    path: PathBuf,
    file: File,
    length: u64,
    hash: Sha256,
}

impl Part {
    fn open(remote: RemoteFile, path: PathBuf) -> Result<Self, HubError> {
        let failed = |error: std::io::Error| HubError::disk(&path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HubError::Busy { path }),
            // Some network file systems know no locks.
            Err(TryLockError::Error(error)) => tracing::debug!("{}: {error}", path.display()),
        }
        let longest = file.metadata().map_err(failed)?.len();
        // Without a checksum, nobody would see that two versions of a file were put together.
        let usable = longest <= remote.bytes && remote.sha256.is_some();
        let (length, hash) = if longest > 0 && usable {
            hashed(&mut file).map_err(failed)?
        } else {
            (0, Sha256::new())
        };
        let mut part = Self {
            remote,
            path,
            file,
            length,
            hash,
        };
        if longest > 0 && !usable {
            part.restart()?;
        }
        Ok(part)
    }

    fn restart(&mut self) -> Result<(), HubError> {
        let emptied = self.file.set_len(0);
        emptied.map_err(|error| HubError::disk(&self.path, &error))?;
        self.length = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Writes on a thread of its own: disks and hashes take their time.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let failed = |error: std::io::Error| {
            HubError::writing(&self.path, self.length, self.remote.bytes, &error)
        };
        let mut file = self.file.try_clone().map_err(failed)?;
        let mut hash = self.hash.clone();
        let bytes = bytes.to_owned();
        let count = bytes.len() as u64;
        let written = tokio::task::spawn_blocking(move || {
            hash.update(&bytes);
            file.write_all(&bytes).map(|()| hash)
        });
        let written = written.await.map_err(std::io::Error::other);
        self.hash = written.and_then(|written| written).map_err(failed)?;
        self.length += count;
        Ok(())
    }

    /// Compares the checksum and puts the file in its place.
    fn finish(self, target: &Path) -> Result<(), HubError> {
        let found = hex(self.hash);
        if let Some(expected) = self.remote.sha256.filter(|expected| *expected != found) {
            // Whatever is wrong in it would be wrong again.
            let removed = std::fs::remove_file(&self.path);
            removed.map_err(|error| HubError::disk(&self.path, &error))?;
            return Err(HubError::Checksum {
                file: self.remote.path,
                expected,
                found,
            });
        }
        let placed = self.file.sync_all();
        let placed = placed.and_then(|()| std::fs::rename(&self.path, target));
        placed.map_err(|error| HubError::disk(target, &error))
    }

    fn cut_off(&self, message: String) -> HubError {
        HubError::CutOff {
            file: self.remote.path.clone(),
            done: self.length,
            total: self.remote.bytes,
            message,
        }
    }
}

/// The length of a file and the hash of what is in it.
fn hashed(file: &mut File) -> std::io::Result<(u64, Sha256)> {
    let mut hash = Sha256::new();
    let mut length = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok((length, hash));
        }
        hash.update(piece.get(..count).unwrap_or_default());
        length += count as u64;
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HubError> + Send + 'static,
) -> Result<T, HubError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| {
        Err(HubError::Disk {
            path: PathBuf::new(),
            message: error.to_string(),
        })
    })
}
