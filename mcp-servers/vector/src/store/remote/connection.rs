//! Reaching a Qdrant server, and its errors in our terms.

use std::future::Future;
use std::time::Duration;

use qdrant_client::qdrant::CreateFieldIndexCollection;
use qdrant_client::{Qdrant, QdrantError};

use super::super::{CollectionShape, StoreError, VectorStore};
use super::translate;

const ENGINE: &str = "Qdrant server";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// gRPC status codes, as the protocol numbers them.
pub(super) mod code {
    pub(in crate::store::remote) const DEADLINE_EXCEEDED: i32 = 4;
    pub(in crate::store::remote) const NOT_FOUND: i32 = 5;
    pub(in crate::store::remote) const ALREADY_EXISTS: i32 = 6;
    pub(in crate::store::remote) const PERMISSION_DENIED: i32 = 7;
    pub(in crate::store::remote) const UNAVAILABLE: i32 = 14;
    pub(in crate::store::remote) const UNAUTHENTICATED: i32 = 16;
}

/// A connection to a Qdrant server. The API key is in no message and no log.
#[derive(Clone)]
pub struct RemoteStore {
    pub(super) client: Qdrant,
    pub(super) url: String,
    pub(super) version: String,
}

impl RemoteStore {
    /// Connects, and asks the server for its version, so that a wrong address is found out now.
    ///
    /// `url` names the gRPC port, such as `http://localhost:6334`; `https` for TLS.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when nothing answers there or what answers is not a Qdrant
    /// server; [`StoreError::Engine`] when it refuses the key.
    pub async fn connect(url: &str, api_key: Option<String>) -> Result<Self, StoreError> {
        let unreachable = |message: String| StoreError::Unreachable {
            url: without_login(url),
            message,
        };
        let mut config = Qdrant::from_url(url)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            // That check writes to standard output, which may be an MCP connection.
            .skip_compatibility_check();
        config.api_key = api_key;
        let client = config
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        let waiting = tokio::time::timeout(2 * CONNECT_TIMEOUT, client.health_check());
        let version = match waiting.await {
            Ok(Ok(reply)) => reply.version,
            Ok(Err(error)) => {
                let (status, message) = plain(&error);
                return Err(match status {
                    Some(code::UNAUTHENTICATED | code::PERMISSION_DENIED) => {
                        engine("connect", message)
                    }
                    _ => unreachable(format!("{message}{}", grpc_hint(url))),
                });
            }
            Err(_) => {
                let seconds = 2 * CONNECT_TIMEOUT.as_secs();
                return Err(unreachable(format!(
                    "no reply in {seconds} s{}",
                    grpc_hint(url)
                )));
            }
        };
        Ok(Self {
            client,
            url: without_login(url),
            version,
        })
    }

    /// Waits for a call about a collection, and says what went wrong in our terms.
    pub(super) async fn call<T>(
        &self,
        collection: &str,
        action: &str,
        call: impl Future<Output = Result<T, QdrantError>> + Send,
    ) -> Result<T, StoreError> {
        let error = match call.await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let (status, message) = plain(&error);
        match status {
            Some(code::UNAVAILABLE | code::DEADLINE_EXCEEDED) => Err(StoreError::Unreachable {
                url: self.url.clone(),
                message,
            }),
            // Qdrant says "not found" of points too.
            Some(code::NOT_FOUND) => {
                let known = self.collections().await?;
                if known.iter().any(|name| name == collection) {
                    return Err(engine(action, message));
                }
                Err(StoreError::NoCollection {
                    collection: collection.to_owned(),
                    known,
                })
            }
            _ => Err(engine(action, message)),
        }
    }

    pub(super) async fn make_indexes(
        &self,
        collection: &str,
        wanted: &CollectionShape,
        existing: &CollectionShape,
    ) -> Result<(), StoreError> {
        for (field, kind) in &wanted.indexed {
            if existing.indexed.contains_key(field) {
                continue;
            }
            let request = CreateFieldIndexCollection {
                collection_name: collection.to_owned(),
                wait: Some(true),
                field_name: field.clone(),
                field_type: Some(translate::field_type(*kind)),
                ..CreateFieldIndexCollection::default()
            };
            let call = self.client.create_field_index(request);
            self.call(collection, "create an index", call).await?;
        }
        Ok(())
    }
}

pub(super) fn engine(action: &str, message: String) -> StoreError {
    StoreError::Engine {
        engine: ENGINE,
        action: action.to_owned(),
        message,
    }
}

/// The status code and the words of an error, without the headers its display would print.
pub(super) fn plain(error: &QdrantError) -> (Option<i32>, String) {
    match error {
        QdrantError::ResponseError { status }
        | QdrantError::ResourceExhaustedError { status, .. } => {
            (Some(i32::from(status.code())), status.message().to_owned())
        }
        other => (None, other.to_string()),
    }
}

fn grpc_hint(url: &str) -> &'static str {
    if url.contains(":6333") {
        "; port 6333 is Qdrant's REST port, gRPC is on 6334"
    } else {
        "; the URL must name Qdrant's gRPC port (6334 unless configured otherwise)"
    }
}

/// The URL without a name and password, should somebody have written them there.
fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest
        .get(..authority_end)
        .and_then(|authority| authority.rfind('@'))
    {
        Some(at) => format!("{scheme}://{}", rest.get(at + 1..).unwrap_or_default()),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_the_url_is_in_no_message() {
        assert_eq!(
            without_login("http://me:secret@host:6334/x"),
            "http://host:6334/x"
        );
        assert_eq!(
            without_login("http://host:6334/a@b"),
            "http://host:6334/a@b"
        );
    }
}
