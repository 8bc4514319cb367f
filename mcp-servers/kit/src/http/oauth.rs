//! Tokens of an authorization server: an OAuth 2.1 resource server with signed tokens (RFC 9068),
//! keys from the issuer (RFC 7517), and metadata that tells clients where to get a token
//! (RFC 9728).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind};
use reqwest::Url;
use serde::Deserialize;

use crate::caller::Caller;
use crate::error::KitError;

/// Signatures that only the issuer can make. A shared secret is not among them: whoever can check
/// such a signature can forge one.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Seconds by which two clocks may differ.
const LEEWAY_S: u64 = 60;

/// How long keys are believed before they are fetched again.
const KEYS_LAST: Duration = Duration::from_secs(600);

/// How long after one fetch an unknown key may cause the next: unknown keys cost nothing to make
/// up.
const FETCH_PAUSE: Duration = Duration::from_secs(30);

/// How long a fetch may take, and how much may come, in bytes.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_FETCHED: usize = 1 << 20;

/// What is wrong with a token signed with another key.
const FOREIGN: &str = "its key is not one of the issuer's";

/// Longest token looked at, in bytes.
const MAX_TOKEN: usize = 16 << 10;

/// Whose tokens are good here, and for what.
#[derive(Debug, Clone)]
pub struct OAuth {
    /// The authorization server, as its tokens name it.
    pub issuer: String,
    /// The address of this server as clients know it; tokens must be meant for it.
    pub resource: String,
    /// What a token must allow.
    pub scopes: Vec<String>,
    /// Where the issuer's keys are, when its metadata does not say.
    pub keys: Option<String>,
}

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "this server wants a token of its authorization server, which the resource metadata names"
    )]
    NoToken,
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    #[error("the token does not allow this: it lacks the scope {missing}")]
    Scope { missing: String },
    #[error("the token cannot be checked now: {0}")]
    NoKeys(String),
}

/// Judges tokens.
pub(super) struct Tokens {
    pub(super) oauth: OAuth,
    metadata: String,
    client: reqwest::Client,
    keys: Mutex<Keys>,
    /// Held by the one request that fetches keys.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Keys {
    known: Option<JwkSet>,
    fetched: Option<Instant>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    scp: Vec<String>,
}

#[derive(Deserialize)]
struct IssuerMetadata {
    issuer: String,
    jwks_uri: String,
}

impl Tokens {
    /// # Errors
    /// When an address is none, or goes over an open line to another machine.
    pub(super) fn new(oauth: OAuth) -> Result<Self, KitError> {
        let resource = guarded(&oauth.resource)?;
        guarded(&oauth.issuer)?;
        if let Some(keys) = &oauth.keys {
            guarded(keys)?;
        }
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| KitError::Access(format!("no HTTP client: {error}")))?;
        let mut metadata = resource.clone();
        metadata.set_path(&well_known(resource.path()));
        Ok(Self {
            metadata: metadata.to_string(),
            oauth,
            client,
            keys: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// The `WWW-Authenticate` header that tells a client what to do next.
    pub(super) fn challenge(&self, refusal: &Refusal) -> String {
        let scope = self.oauth.scopes.join(" ");
        let mut challenge = format!("Bearer resource_metadata=\"{}\"", self.metadata);
        if !scope.is_empty() {
            challenge.push_str(&format!(", scope=\"{scope}\""));
        }
        let error = match refusal {
            Refusal::NoToken | Refusal::NoKeys(_) => return challenge,
            Refusal::Invalid(_) => "invalid_token",
            Refusal::Scope { .. } => "insufficient_scope",
        };
        let description = refusal.to_string().replace(['"', '\\'], "'");
        format!("{challenge}, error=\"{error}\", error_description=\"{description}\"")
    }

    /// Whose token it is, if it is good here.
    pub(super) async fn judge(&self, token: &str) -> Result<Caller, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::Invalid("it is too long"));
        }
        let header =
            decode_header(token).map_err(|_| Refusal::Invalid("it is not a signed token"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::Invalid(
                "it is signed in a way that is not accepted",
            ));
        }
        let key = self.key(header.kid.as_deref(), header.alg).await?;
        let key =
            DecodingKey::from_jwk(&key).map_err(|_| Refusal::Invalid("its key cannot be used"))?;
        let mut wanted = Validation::new(header.alg);
        wanted.leeway = LEEWAY_S;
        wanted.validate_nbf = true;
        wanted.set_required_spec_claims(&["exp", "aud", "iss"]);
        wanted.set_issuer(&[&self.oauth.issuer]);
        wanted.set_audience(&[&self.oauth.resource]);
        let claims = decode::<Claims>(token, &key, &wanted)
            .map_err(|error| Refusal::Invalid(reason(error.kind())))?
            .claims;
        let scope = claims.scope.as_deref().unwrap_or_default();
        let has: BTreeSet<&str> = scope
            .split_whitespace()
            .chain(claims.scp.iter().map(String::as_str))
            .collect();
        let missing: Vec<&str> = self
            .oauth
            .scopes
            .iter()
            .map(String::as_str)
            .filter(|scope| !has.contains(scope))
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::Scope {
                missing: missing.join(" "),
            });
        }
        Ok(Caller {
            subject: claims.sub.map(Arc::from),
        })
    }

    /// The issuer's key of a name, which may be new. One request fetches keys; those that can be
    /// checked with the keys there are do not wait for it.
    async fn key(&self, name: Option<&str>, algorithm: Algorithm) -> Result<Jwk, Refusal> {
        let (found, due) = self.known(name, algorithm);
        if !due {
            return found.ok_or_else(|| self.no_such_key());
        }
        let _fetching = match (self.fetching.try_lock(), &found) {
            (Ok(fetching), _) => fetching,
            (Err(_), Some(key)) => return Ok(key.clone()),
            (Err(_), None) => self.fetching.lock().await,
        };
        // Somebody else may just have fetched them.
        let (found, due) = self.known(name, algorithm);
        if !due {
            return found.ok_or_else(|| self.no_such_key());
        }
        let fetched = self.fetch().await;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.fetched = Some(Instant::now());
        match fetched {
            Ok(set) => {
                let found = find(&set, name, algorithm);
                keys.known = Some(set);
                found.ok_or(Refusal::Invalid(FOREIGN))
            }
            // Keys that were good a while ago are better than turning everybody away.
            Err(reason) => {
                tracing::warn!(issuer = self.oauth.issuer, reason, "no fresh keys");
                found.ok_or(Refusal::NoKeys(reason))
            }
        }
    }

    fn no_such_key(&self) -> Refusal {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.known {
            Some(_) => Refusal::Invalid(FOREIGN),
            None => Refusal::NoKeys("the issuer could not be reached a moment ago".to_owned()),
        }
    }

    /// The key, if it is known, and whether it is time to fetch keys.
    fn known(&self, name: Option<&str>, algorithm: Algorithm) -> (Option<Jwk>, bool) {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let found = keys
            .known
            .as_ref()
            .and_then(|set| find(set, name, algorithm));
        let lasts = if found.is_some() {
            KEYS_LAST
        } else {
            FETCH_PAUSE
        };
        let due = keys.fetched.is_none_or(|fetched| fetched.elapsed() > lasts);
        (found, due)
    }

    async fn fetch(&self) -> Result<JwkSet, String> {
        let address = match &self.oauth.keys {
            Some(address) => address.clone(),
            None => self.discover().await?,
        };
        self.get(&address).await
    }

    /// Where the issuer says its keys are (RFC 8414, then OpenID Connect).
    async fn discover(&self) -> Result<String, String> {
        let issuer = Url::parse(&self.oauth.issuer).map_err(|error| error.to_string())?;
        let path = issuer.path().trim_end_matches('/').to_owned();
        let mut last = String::new();
        for place in [
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("{path}/.well-known/openid-configuration"),
        ] {
            let mut address = issuer.clone();
            address.set_path(&place);
            match self.get::<IssuerMetadata>(address.as_str()).await {
                Ok(said) if said.issuer == self.oauth.issuer => {
                    guarded(&said.jwks_uri).map_err(|error| error.to_string())?;
                    return Ok(said.jwks_uri);
                }
                Ok(said) => last = format!("{address} speaks for another issuer, {}", said.issuer),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, address: &str) -> Result<T, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{address}: {error}");
        let response = self.client.get(address).send().await;
        let mut response = response.map_err(|error| failed(&error))?;
        if !response.status().is_success() {
            return Err(failed(&response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_FETCHED {
                return Err(failed(&"more than a key set can be"));
            }
        }
        serde_json::from_slice(&body).map_err(|error| failed(&error))
    }
}

/// The path at which a resource's metadata is (RFC 9728, section 3.1).
pub(super) fn well_known(path: &str) -> String {
    let path = path.trim_end_matches('/');
    format!("/.well-known/oauth-protected-resource{path}")
}

fn find(set: &JwkSet, name: Option<&str>, algorithm: Algorithm) -> Option<Jwk> {
    let fits = |key: &&Jwk| {
        let said = key.common.key_algorithm.map(|said| said.to_string());
        said.is_none_or(|said| said == format!("{algorithm:?}"))
    };
    match name {
        Some(name) => set.find(name).filter(fits).cloned(),
        // A token that names no key is good where there is no choice.
        None => match set.keys.as_slice() {
            [only] => Some(only).filter(fits).cloned(),
            _ => None,
        },
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidAudience => "it is meant for another server",
        ErrorKind::InvalidIssuer => "it comes from another issuer",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "it lacks a claim that is needed (exp, aud, iss)",
        _ => "it cannot be read",
    }
}

/// An address that nobody on the way can change: over TLS, or on this machine.
fn guarded(address: &str) -> Result<Url, KitError> {
    let url = Url::parse(address)
        .map_err(|error| KitError::Access(format!("`{address}` is not an address: {error}")))?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "https" || (url.scheme() == "http" && here) {
        Ok(url)
    } else {
        Err(KitError::Access(format!(
            "`{address}` must be https://, as it decides who is let in"
        )))
    }
}
