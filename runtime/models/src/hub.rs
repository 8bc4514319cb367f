//! Models from the Hugging Face hub, and those that are here already.
//!
//! - [`name`]: what a person types: `owner/repo:Q4_K_M`.
//! - [`selection`]: which files of a repository that means.
//! - `download`: one file, taken up again where it was cut off.
//! - [`registry`]: the models in a folder.
//!
//! Why this speaks HTTP itself: the crate hf-hub (1.0) begins a file that was cut off anew, does
//! not compare checksums, stores files as links into a cache of its own, and brings a second
//! transfer protocol with it. The part of the hub's API that is needed here is two requests.

mod download;
pub mod error;
pub mod name;
pub mod registry;
pub mod selection;

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LINK};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

pub use error::HubError;
pub use name::ModelName;

use selection::{RemoteFile, Selection};

/// Where the hub is, unless `HF_ENDPOINT` says otherwise.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection that sends nothing for so long is dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Lists of files are short; more than this is not one.
const LONGEST_LIST: usize = 16 << 20;
const MOST_PAGES: usize = 100;

/// The hub, as one person sees it.
pub struct Hub {
    endpoint: String,
    client: Client,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client holds the token.
        formatter
            .debug_struct("Hub")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file at hand.
    pub file: &'a str,
    /// Bytes of all files that are here.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
}

/// A model that is here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The GGUF file, or the folder of a safetensors model.
    pub path: PathBuf,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes that came over the network; 0 where everything was here.
    pub downloaded: u64,
}

impl Hub {
    /// The hub at an address, with a token where one is needed.
    ///
    /// # Errors
    /// A token that is no header, and a machine without TLS.
    pub fn new(endpoint: &str, token: Option<&str>) -> Result<Self, HubError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| HubError::BadToken)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("ropewalk/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            .build();
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            client: client.map_err(|error| HubError::Unreachable {
                endpoint: endpoint.to_owned(),
                message: error::reason(&error),
            })?,
        })
    }

    /// The hub that `HF_ENDPOINT` names, with the token in `HF_TOKEN`.
    ///
    /// # Errors
    /// As [`Hub::new`].
    pub fn from_environment() -> Result<Self, HubError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = variable("HF_ENDPOINT");
        let endpoint = endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
        Self::new(endpoint, variable("HF_TOKEN").as_deref())
    }

    /// The files that a name means.
    ///
    /// # Errors
    /// A hub or a model that is not there, and a name that means several.
    pub async fn select(&self, name: &ModelName) -> Result<Selection, HubError> {
        let files = self.files(name).await?;
        selection::select(name, &files)
    }

    /// Brings a model into a folder, as `OWNER/REPO/FILE` below it. What a pull that was cut off
    /// or cancelled left behind is kept and taken up.
    ///
    /// # Errors
    /// As [`Hub::select`]; a disk that is full, before and while it is written; a file that is not
    /// what the hub says it is; and a connection that breaks too often.
    pub async fn pull(
        &self,
        name: &ModelName,
        models: &Path,
        cancel: &CancellationToken,
        mut tell: impl FnMut(Progress<'_>),
    ) -> Result<Pulled, HubError> {
        let selection = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(HubError::Cancelled),
            selection = self.select(name) => selection?,
        };
        let folder = models.join(&name.owner).join(&name.repo);
        let failed = |error: &std::io::Error| HubError::disk(&folder, error);
        std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
        let total = selection.files.iter().map(|file| file.bytes).sum();
        let missing: u64 = selection
            .files
            .iter()
            .map(|file| file.bytes.saturating_sub(download::present(file, &folder)))
            .sum();
        let free = fs4::available_space(&folder).map_err(|error| failed(&error))?;
        if missing > free {
            return Err(HubError::NoSpace {
                path: folder,
                needed: missing,
                free,
            });
        }
        let mut done = 0;
        let mut downloaded = 0;
        for file in &selection.files {
            downloaded += self
                .fetch(name, file, &folder, cancel, &mut |here| {
                    tell(Progress {
                        file: &file.path,
                        done: done + here,
                        total,
                    });
                })
                .await?;
            done += file.bytes;
        }
        let path = match &selection.single {
            Some(file) => folder.join(file),
            None => folder,
        };
        Ok(Pulled {
            path,
            bytes: total,
            downloaded,
        })
    }

    /// Every file of a repository.
    async fn files(&self, name: &ModelName) -> Result<Vec<RemoteFile>, HubError> {
        let repo = name.repository();
        let mut next = Some(format!(
            "{}/api/models/{repo}/tree/{}?recursive=true",
            self.endpoint,
            escaped(&name.revision),
        ));
        let mut files = Vec::new();
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { break };
            let sent = self.client.get(&url).send().await;
            let response = sent.map_err(|error| self.unreachable(&error))?;
            let response = self.accepted(name, None, response)?;
            next = next_page(response.headers());
            // Another host would be given the token.
            if next
                .as_ref()
                .is_some_and(|url| !url.starts_with(&self.endpoint))
            {
                return Err(self.bad_reply("its list of files goes on at another host"));
            }
            let body = self.short_body(response).await?;
            let page: Vec<Entry> = serde_json::from_slice(&body)
                .map_err(|error| self.bad_reply(&format!("its list of files: {error}")))?;
            files.extend(page.into_iter().filter_map(Entry::file));
        }
        Ok(files)
    }

    async fn short_body(&self, mut response: Response) -> Result<Vec<u8>, HubError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_LIST {
                return Err(self.bad_reply("its list of files has no end"));
            }
        }
        Ok(body)
    }

    /// A reply that gives what was asked for, or why it does not.
    fn accepted(
        &self,
        name: &ModelName,
        file: Option<&str>,
        response: Response,
    ) -> Result<Response, HubError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let code = response.headers().get("x-error-code");
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or_default();
        let what = match file {
            Some(file) => format!("{}/{file}", name.repository()),
            None => name.repository(),
        };
        Err(match (status, code) {
            // The hub says 401 of what it hides as well as of what does not exist.
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => HubError::Refused {
                page: format!("{}/{}", self.endpoint, name.repository()),
                what,
                status: status.as_u16(),
            },
            (StatusCode::NOT_FOUND, "RevisionNotFound") => HubError::NotFound {
                what: format!("revision {} of {what}", name.revision),
                endpoint: self.endpoint.clone(),
            },
            (StatusCode::NOT_FOUND, _) => HubError::NotFound {
                what,
                endpoint: self.endpoint.clone(),
            },
            _ => self.bad_reply(&format!("{status} for {what}")),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> HubError {
        HubError::Unreachable {
            endpoint: self.endpoint.clone(),
            message: error::reason(error),
        }
    }

    fn bad_reply(&self, message: &str) -> HubError {
        HubError::BadReply {
            endpoint: self.endpoint.clone(),
            message: message.to_owned(),
        }
    }
}

/// One line of the hub's list of files.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

impl Entry {
    fn file(self) -> Option<RemoteFile> {
        let path = self.path;
        (self.kind == "file").then(|| match self.lfs {
            Some(large) => RemoteFile {
                path,
                bytes: large.size,
                sha256: Some(large.oid.to_ascii_lowercase()),
            },
            None => RemoteFile {
                path,
                bytes: self.size,
                sha256: None,
            },
        })
    }
}

/// The address in `Link: <...>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get(LINK)?.to_str().ok()?;
    let next = links
        .split(',')
        .find(|link| link.contains("rel=\"next\""))?;
    let (_, rest) = next.split_once('<')?;
    let (url, _) = rest.split_once('>')?;
    Some(url.to_owned())
}

/// One part of a path in an address.
fn escaped(part: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(part, ESCAPED).to_string()
}
