//! One authorization by a person: an address to open, and a code that comes back.

use std::time::Duration;

use reqwest::Url;
use rmcp::transport::auth::{AuthorizationMetadata, OAuthClientConfig};
use serde_json::Value;

use super::redirect::{Redirect, Returned};
use super::{Authority, Wanted, token_of};
use crate::inquiry::{Answer, Inquiry, Wants};
use crate::reference::resolve;

/// Our name where a client registers itself.
const NAME: &str = "Ropewalk";

/// How long a person may take at the authorization server.
const LONGEST_VISIT: Duration = Duration::from_secs(10 * 60);

impl Authority {
    /// Asks a person to authorize, and keeps what that gives.
    pub(super) async fn granted(&self, mut wanted: Wanted) -> Result<String, String> {
        let calls = self.end.calls_of_one_person();
        let person = calls.first().map(|call| call.desk.clone());
        let Some(desk) = person.filter(|desk| desk.is_attended()) else {
            return Err(format!(
                "the server `{}` wants authorization, and nobody is there to give it; run \
                 `ropewalk servers login {}` at a terminal, or set `bearer_env` of the server",
                self.server, self.server
            ));
        };
        let redirect = self.redirect(&wanted).await?;
        let client = self.client(&mut wanted, redirect.uri()).await?;
        wanted
            .manager
            .configure_client(client.clone())
            .map_err(|error| self.failed(&error))?;
        let scopes: Vec<&str> = wanted.scopes.iter().map(String::as_str).collect();
        let address = wanted
            .manager
            .get_authorization_url(&scopes)
            .await
            .map_err(|error| self.failed(&error))?;
        let state = state(&address)?;
        let _held: Vec<_> = calls.iter().map(|call| call.deadline.hold()).collect();
        let inquiry = Inquiry {
            server: self.server.clone(),
            message: format!(
                "To use the server `{}`, sign in at {} and allow it.",
                self.server, wanted.issuer
            ),
            wants: Wants::Url { url: address },
            problem: None,
        };
        let returned = tokio::select! {
            returned = redirect.returned(&state) => returned?,
            refused = refusal(desk.ask(inquiry)) => {
                return Err(format!("authorization for `{}` was not given: {refused}", self.server));
            }
        };
        self.redeem(&wanted, &client, returned, &state).await
    }

    /// Where the browser comes back to: as configured, as registered, or any free port.
    async fn redirect(&self, wanted: &Wanted) -> Result<Redirect, String> {
        if let Some(fixed) = &self.config.redirect_uri {
            return Redirect::open(Some(fixed)).await;
        }
        let registered = wanted.record.as_ref();
        if let Some(uri) = registered.and_then(|record| record.redirect_uri.as_deref())
            && let Ok(redirect) = Redirect::open(Some(uri)).await
        {
            return Ok(redirect);
        }
        Redirect::open(None).await
    }

    /// Who we are: registered by hand, known by a document, registered before, or registered now.
    async fn client(&self, wanted: &mut Wanted, uri: &str) -> Result<OAuthClientConfig, String> {
        if let Some(id) = &self.config.client_id {
            let mut client = OAuthClientConfig::new(id, uri);
            if let Some(secret) = &self.config.client_secret {
                client.client_secret = Some(resolve(secret).await?);
            }
            return Ok(client);
        }
        if let Some(document) = &self.config.client_metadata_url
            && takes_documents(&wanted.metadata)
        {
            return Ok(OAuthClientConfig::new(document, uri));
        }
        if let Some(record) = &wanted.record
            && record.redirect_uri.as_deref() == Some(uri)
        {
            let mut client = OAuthClientConfig::new(record.credentials.client_id.clone(), uri);
            client.client_secret = record.client_secret.clone();
            return Ok(client);
        }
        let scopes: Vec<&str> = wanted.scopes.iter().map(String::as_str).collect();
        let registered = wanted.manager.register_client(NAME, uri, &scopes).await;
        registered.map_err(|error| {
            format!(
                "{}; register a client by hand and write its `client_id` under [servers.{}.oauth]",
                self.failed(&error),
                self.server
            )
        })
    }

    /// The token for a code, kept with what it was got with.
    async fn redeem(
        &self,
        wanted: &Wanted,
        client: &OAuthClientConfig,
        returned: Returned,
        state: &str,
    ) -> Result<String, String> {
        wanted
            .manager
            .exchange_code_for_token_with_issuer(&returned.code, state, returned.issuer.as_deref())
            .await
            .map_err(|error| self.failed(&error))?;
        let nothing = || {
            format!(
                "the authorization server of `{}` gave no token",
                self.server
            )
        };
        let mut record = self.vault.load().await.ok_or_else(nothing)?;
        record.issuer = wanted.issuer.clone();
        if self.config.client_id.is_none() && self.config.client_metadata_url.is_none() {
            record.client_secret = client.client_secret.clone();
        }
        record.redirect_uri = Some(client.redirect_uri.clone());
        let token = token_of(&record.credentials).ok_or_else(nothing)?;
        if let Err(why) = self.vault.save(record).await {
            tracing::warn!(server = self.server, why, "the token is not kept");
        }
        Ok(token)
    }
}

/// Why a person does not come back; never where they set out, for then the browser does.
async fn refusal(asking: impl Future<Output = Answer>) -> &'static str {
    match asking.await {
        Answer::Accepted(_) => {
            tokio::time::sleep(LONGEST_VISIT).await;
            "nobody came back from the browser"
        }
        Answer::Declined => "it was declined",
        Answer::Cancelled => "the question was not answered",
    }
}

fn takes_documents(metadata: &AuthorizationMetadata) -> bool {
    let says = metadata
        .additional_fields
        .get("client_id_metadata_document_supported");
    says == Some(&Value::Bool(true))
}

/// What tells our answer from another's.
fn state(address: &str) -> Result<String, String> {
    Url::parse(address)
        .ok()
        .and_then(|url| {
            let mut pairs = url.query_pairs();
            let state = pairs.find(|(name, _)| name == "state");
            state.map(|(_, state)| state.into_owned())
        })
        .ok_or_else(|| "the authorization server's address cannot be used".to_owned())
}
