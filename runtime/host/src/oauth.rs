//! Tokens for servers that want one: found, asked for, kept, renewed, and sent to that server only.
//!
//! A server says what it wants in a challenge. From there the way is fixed by RFC 9728 (who gives
//! tokens for it), RFC 8414 or OpenID Connect (how), RFC 7591 or a client id metadata document (who
//! we are), RFC 7636 and 8707 (for whom the token is), and RFC 9207 (who answered). rmcp speaks
//! these; here is decided when, for what, with which client, and who is asked.
//!
//! - `grant`: one authorization by a person.
//! - `redirect`: where the browser comes back to.
//! - `vault`: where tokens are kept.

mod grant;
mod redirect;
pub(crate) mod vault;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, AuthorizationMetadata, OAuthClientConfig, StoredCredentials,
    WWWAuthenticateParams,
};
use ropewalk_core::secret;
use tokio::sync::Mutex;

use crate::config::OauthConfig;
use crate::failure::with_causes;
use crate::handler::ClientEnd;
use crate::reference::resolve;

use vault::{Keeping, Record, Vault};

/// A token that ends sooner than this is renewed before it is sent.
const RENEW_BEFORE: Duration = Duration::from_secs(30);

/// How often in a row a person is asked for more scopes.
const MOST_STEPS: usize = 2;

/// What a server answers to a request that it refuses for want of a token.
#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    header: String,
    /// Whether the token is good, and only its scopes are not enough.
    wants_scopes: bool,
}

impl Challenge {
    /// A request without a token, or with one that is no longer good.
    pub(crate) fn token(header: String) -> Self {
        Self {
            header,
            wants_scopes: false,
        }
    }

    /// A request that is forbidden; `None` where more scopes would not help.
    pub(crate) fn scope(header: String) -> Option<Self> {
        let challenge = Self {
            header,
            wants_scopes: true,
        };
        challenge
            .parameters()
            .is_some_and(|challenge| challenge.is_insufficient_scope())
            .then_some(challenge)
    }

    fn parameters(&self) -> Option<WWWAuthenticateParams> {
        // Only a relative address would need the server's.
        let base = Url::parse("http://localhost").ok()?;
        Some(WWWAuthenticateParams::parse(&self.header, &base))
    }

    fn scopes(&self) -> BTreeSet<String> {
        let scope = self.parameters().and_then(|challenge| challenge.scope);
        let scope = scope.unwrap_or_default();
        scope.split_whitespace().map(str::to_owned).collect()
    }
}

/// Gets tokens for one server.
pub(crate) struct Authority {
    server: String,
    url: String,
    config: OauthConfig,
    vault: Vault,
    end: ClientEnd,
    /// One at a time: who waits finds what the other got.
    turn: Mutex<()>,
    /// How often more scopes were asked for since a request went through.
    steps: AtomicUsize,
    /// A connection is being made: a person is asked when it has failed, not on the way, because
    /// the handshake does not wait.
    handshaking: AtomicBool,
    /// What the server wanted of a person meanwhile.
    pending: StdMutex<Option<Pending>>,
}

/// A challenge that was put aside.
pub(crate) struct Pending {
    challenge: Challenge,
    /// The token that met with it.
    sent: Option<String>,
}

/// What a person is asked for.
struct Wanted {
    manager: AuthorizationManager,
    metadata: AuthorizationMetadata,
    issuer: String,
    /// What is kept of the same issuer.
    record: Option<Record>,
    scopes: Vec<String>,
}

impl Authority {
    pub(crate) fn new(url: &str, config: OauthConfig, keeping: Keeping, end: ClientEnd) -> Self {
        Self {
            server: end.offer().server.clone(),
            url: url.to_owned(),
            config,
            vault: Vault::new(url, keeping),
            end,
            turn: Mutex::default(),
            steps: AtomicUsize::new(0),
            handshaking: AtomicBool::new(false),
            pending: StdMutex::default(),
        }
    }

    /// From now on until `connected`, a challenge that needs a person is put aside.
    pub(crate) fn connecting(&self) {
        self.handshaking.store(true, Ordering::SeqCst);
    }

    /// The handshake is over; what was put aside on the way, if anything.
    pub(crate) fn connected(&self) -> Option<Pending> {
        self.handshaking.store(false, Ordering::SeqCst);
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Answers what was put aside.
    ///
    /// # Errors
    /// As [`Authority::answer`].
    pub(crate) async fn settle(&self, pending: Pending) -> Result<(), String> {
        let sent = pending.sent.as_deref();
        self.answer(&pending.challenge, sent).await.map(drop)
    }

    /// A request went through.
    pub(crate) fn accepted(&self) {
        self.steps.store(0, Ordering::SeqCst);
    }

    /// A token that is still good, if there is one.
    ///
    /// # Errors
    /// When the authorization server cannot be asked for a new one now.
    pub(crate) async fn token(&self) -> Result<Option<String>, String> {
        let _turn = self.turn.lock().await;
        let Some(record) = self.vault.load().await else {
            return Ok(None);
        };
        match good_token(&record.credentials) {
            Some(token) => Ok(Some(token)),
            None => {
                let mut found = self.discover(None).await?;
                self.renewed(&mut found).await
            }
        }
    }

    /// A token that answers a challenge. A person is asked if need be.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    pub(crate) async fn answer(
        &self,
        challenge: &Challenge,
        sent: Option<&str>,
    ) -> Result<String, String> {
        let _turn = self.turn.lock().await;
        let kept = self.vault.load().await;
        let kept_token = kept.as_ref().and_then(|kept| good_token(&kept.credentials));
        if let Some(token) = kept_token
            && sent != Some(&token)
        {
            return Ok(token);
        }
        let mut found = self.discover(Some(challenge)).await?;
        if challenge.wants_scopes {
            self.check_step(challenge, &found)?;
        } else if let Some(token) = self.renewed(&mut found).await?
            && sent != Some(&token)
        {
            return Ok(token);
        }
        if self.handshaking.load(Ordering::SeqCst) {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            *pending = Some(Pending {
                challenge: challenge.clone(),
                sent: sent.map(str::to_owned),
            });
            return Err("the server wants authorization first".to_owned());
        }
        if challenge.wants_scopes {
            self.steps.fetch_add(1, Ordering::SeqCst);
        }
        self.granted(found).await
    }

    /// More scopes are asked for only where they are more, and not for ever.
    fn check_step(&self, challenge: &Challenge, found: &Wanted) -> Result<(), String> {
        let granted: BTreeSet<String> = found
            .record
            .iter()
            .flat_map(|record| record.credentials.granted_scopes.iter().cloned())
            .collect();
        let missing: Vec<String> = challenge.scopes().difference(&granted).cloned().collect();
        if missing.is_empty() {
            return Err(
                "the server wants scopes that its token has already: it will never be content"
                    .to_owned(),
            );
        }
        if self.steps.load(Ordering::SeqCst) >= MOST_STEPS {
            return Err(format!(
                "the server still wants {} after {MOST_STEPS} authorizations; your account may \
                 not have that",
                missing.join(", ")
            ));
        }
        Ok(())
    }

    /// Finds out who gives tokens for the server, and forgets what another one gave.
    async fn discover(&self, challenge: Option<&Challenge>) -> Result<Wanted, String> {
        let mut manager = AuthorizationManager::new(self.url.as_str())
            .await
            .map_err(|error| self.failed(&error))?;
        manager.set_credential_store(self.vault.clone());
        let header = challenge.map(|challenge| challenge.header.as_str());
        let found = manager
            .resolve_metadata_from_challenge(header)
            .await
            .map_err(|error| self.failed(&error))?;
        let issuer = match &found.metadata.issuer {
            Some(issuer) if found.source.is_discovered() => issuer.clone(),
            _ => {
                return Err(format!(
                    "the server of {} wants a token and does not say who gives them; set \
                     `bearer_env` or `bearer_keyring` of the server `{}`",
                    self.url, self.server
                ));
            }
        };
        if let Some(only) = &self.config.issuer
            && only.trim_end_matches('/') != issuer.trim_end_matches('/')
        {
            return Err(format!(
                "the server names {issuer} for its tokens, and the configuration allows only \
                 {only} (`issuer`)"
            ));
        }
        let kept = self.vault.load().await;
        let record = kept.filter(|record| {
            let same = record.issuer == issuer;
            if !same {
                tracing::warn!(
                    server = self.server,
                    from = record.issuer,
                    to = issuer,
                    "another authorization server: what the last one gave is forgotten"
                );
            }
            same
        });
        if record.is_none() {
            self.vault.clear().await;
        }
        manager.set_metadata(found.metadata.clone());
        let mut scopes: Vec<String> = Vec::new();
        if let Some(record) = &record {
            scopes.extend(record.credentials.granted_scopes.iter().cloned());
        }
        let chosen: Vec<&str> = self.config.scopes.iter().map(String::as_str).collect();
        let wants_more = challenge.is_some_and(|challenge| challenge.wants_scopes);
        if chosen.is_empty() || wants_more {
            scopes.extend(manager.select_initial_scopes(&chosen).await);
        }
        scopes.extend(self.config.scopes.iter().cloned());
        let mut seen = BTreeSet::new();
        scopes.retain(|scope| seen.insert(scope.clone()));
        Ok(Wanted {
            manager,
            metadata: found.metadata,
            issuer,
            record,
            scopes,
        })
    }

    /// A new token for an old one, without asking anybody; `None` where that is not possible.
    async fn renewed(&self, found: &mut Wanted) -> Result<Option<String>, String> {
        let Some(record) = found.record.clone() else {
            return Ok(None);
        };
        let mut client = OAuthClientConfig::new(
            record.credentials.client_id.clone(),
            record
                .redirect_uri
                .clone()
                .unwrap_or_else(|| self.url.clone()),
        );
        client.client_secret = match &self.config.client_secret {
            Some(secret) if self.config.client_id.is_some() => Some(resolve(secret).await?),
            _ => record.client_secret.clone(),
        };
        found
            .manager
            .configure_client(client)
            .map_err(|error| self.failed(&error))?;
        match found.manager.refresh_token().await {
            Ok(_) => Ok(self
                .vault
                .load()
                .await
                .and_then(|record| token_of(&record.credentials))),
            // There is nothing to renew with, or it is no longer taken.
            Err(AuthError::AuthorizationRequired | AuthError::TokenRefreshRejected(_)) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &AuthError) -> String {
        format!(
            "no token can be got for the server `{}`: {}; authorize elsewhere and set \
             `bearer_env`, or write [servers.{}.oauth]",
            self.server,
            with_causes(error),
            self.server
        )
    }
}

/// The token of stored credentials, unless it ends now.
fn good_token(credentials: &StoredCredentials) -> Option<String> {
    let response = response_of(credentials)?;
    let lasts = response
        .get("expires_in")
        .and_then(serde_json::Value::as_u64);
    if let (Some(lasts), Some(since)) = (lasts, credentials.token_received_at) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let ends = since.saturating_add(lasts);
        if ends < now.saturating_add(RENEW_BEFORE.as_secs()) {
            return None;
        }
    }
    token_of(credentials)
}

/// The token of stored credentials. One that was just given is used however short it lasts.
fn token_of(credentials: &StoredCredentials) -> Option<String> {
    let response = response_of(credentials)?;
    let token = response.get("access_token")?.as_str()?;
    secret::learn([token]);
    Some(token.to_owned())
}

fn response_of(credentials: &StoredCredentials) -> Option<serde_json::Value> {
    serde_json::to_value(credentials.token_response.as_ref()?).ok()
}
