//! Who is let in by a token of an authorization server, and who is not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, Response};
use ropewalk_mcp_kit::KitError;
use ropewalk_mcp_kit::http::{Access, HttpOptions, OAuth};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Seen, server};

const RESOURCE: &str = "http://127.0.0.1:9/mcp";

/// A key and its name.
struct Key {
    name: &'static str,
    private: EncodingKey,
}

impl Key {
    fn new(name: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let document = pair.to_pkcs8v1().unwrap();
        let private = EncodingKey::from_ec_der(document.as_ref());
        Self { name, private }
    }

    fn public(&self) -> Jwk {
        let mut key = Jwk::from_encoding_key(&self.private, Algorithm::ES256).unwrap();
        key.common.key_id = Some(self.name.to_owned());
        key
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.name.to_owned());
        encode(&header, claims, &self.private).unwrap()
    }
}

/// An authorization server: its metadata and its keys, which may change.
#[derive(Clone)]
struct Issuer {
    address: String,
    keys: Arc<Mutex<JwkSet>>,
    fetched: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(keys: &[&Key]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            keys: Arc::new(Mutex::new(JwkSet { keys: Vec::new() })),
            fetched: Arc::default(),
        };
        issuer.publish(keys);
        let (metadata, keys) = (issuer.clone(), issuer.clone());
        let router = Router::new()
            .route(
                "/.well-known/oauth-authorization-server",
                get(move || async move {
                    let jwks_uri = format!("{}/keys", metadata.address);
                    Json(json!({"issuer": metadata.address, "jwks_uri": jwks_uri}))
                }),
            )
            .route(
                "/keys",
                get(move || async move {
                    keys.fetched.fetch_add(1, Ordering::SeqCst);
                    Json(keys.keys.lock().unwrap().clone())
                }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    fn publish(&self, keys: &[&Key]) {
        let keys = keys.iter().map(|key| key.public()).collect();
        *self.keys.lock().unwrap() = JwkSet { keys };
    }

    /// What a good token says.
    fn claims(&self) -> Value {
        json!({"iss": self.address, "aud": RESOURCE, "sub": "ada", "scope": "tools other",
            "exp": now() + 600, "nbf": now() - 5})
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

async fn serve_for(issuer: &str, scopes: &[&str]) -> SocketAddr {
    let mut options = HttpOptions::local("127.0.0.1:0".parse().unwrap());
    options.sessions = 2;
    options.access = Access::OAuth(OAuth {
        issuer: issuer.to_owned(),
        resource: RESOURCE.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        keys: None,
    });
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let told = move |address| sender.send(address).unwrap();
    tokio::spawn(server(Seen::default()).serve_http(options, told, CancellationToken::new()));
    receiver.await.unwrap()
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}})
}

async fn post(address: SocketAddr, token: &str, session: Option<&str>, body: &Value) -> Response {
    let mut request = Client::new()
        .post(format!("http://{address}/mcp"))
        .header("accept", "application/json, text/event-stream")
        .bearer_auth(token)
        .json(body);
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    request.send().await.unwrap()
}

/// The status a token meets, and the challenge that comes with it.
async fn met(address: SocketAddr, token: &str) -> (u16, String) {
    let response = post(address, token, None, &initialize()).await;
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().unwrap());
    (response.status().as_u16(), challenge.to_owned())
}

#[tokio::test]
async fn a_good_token_is_let_in_and_any_other_is_told_why_not() {
    let (key, stranger) = (Key::new("one"), Key::new("one"));
    let issuer = Issuer::start(&[&key]).await;
    let address = serve_for(&issuer.address, &["tools"]).await;
    assert_eq!(met(address, &key.sign(&issuer.claims())).await.0, 200);
    let claims = |name: &str, value: Value| {
        let mut claims = issuer.claims();
        claims[name] = value;
        key.sign(&claims)
    };
    let several = claims("aud", json!(["https://other.example", RESOURCE]));
    assert_eq!(met(address, &several).await.0, 200);
    let without = |name: &str| {
        let mut claims = issuer.claims();
        claims.as_object_mut().unwrap().remove(name);
        key.sign(&claims)
    };
    for (token, why) in [
        (
            claims("aud", json!("https://other.example/mcp")),
            "meant for another server",
        ),
        (
            claims("aud", json!(format!("{RESOURCE}/more"))),
            "meant for another server",
        ),
        (
            claims("iss", json!("https://evil.example")),
            "comes from another issuer",
        ),
        (claims("exp", json!(now() - 3600)), "has expired"),
        (claims("nbf", json!(now() + 3600)), "not valid yet"),
        (without("exp"), "lacks a claim"),
        (without("aud"), "lacks a claim"),
        (without("iss"), "lacks a claim"),
        (stranger.sign(&issuer.claims()), "signature is wrong"),
        ("not.a.token".to_owned(), "not a signed token"),
        ("x".repeat(20_000), "too long"),
    ] {
        let (status, challenge) = met(address, &token).await;
        assert_eq!(status, 401, "{why}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains(why), "{why}: {challenge}");
    }
}

#[tokio::test]
async fn signatures_that_anybody_can_make_are_refused() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let address = serve_for(&issuer.address, &[]).await;
    // The public key as a shared secret.
    let public = serde_json::to_vec(&key.public()).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("one".to_owned());
    let forged = encode(
        &header,
        &issuer.claims(),
        &EncodingKey::from_secret(&public),
    )
    .unwrap();
    assert_eq!(met(address, &forged).await.0, 401);
    // No signature at all.
    let good = key.sign(&issuer.claims());
    let body = good.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
    assert_eq!(met(address, &unsigned).await.0, 401);
    assert_eq!(met(address, &good).await.0, 200);
}

#[tokio::test]
async fn what_a_token_does_not_allow_is_named() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let address = serve_for(&issuer.address, &["tools", "admin"]).await;
    let (status, challenge) = met(address, &key.sign(&issuer.claims())).await;
    assert_eq!(status, 403);
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(challenge.contains("scope=\"tools admin\""), "{challenge}");
    let mut claims = issuer.claims();
    claims["scp"] = json!(["admin"]);
    assert_eq!(met(address, &key.sign(&claims)).await.0, 200);
}

#[tokio::test]
async fn clients_learn_where_to_get_a_token() {
    let issuer = Issuer::start(&[]).await;
    let address = serve_for(&issuer.address, &["tools"]).await;
    let request = Client::new().post(format!("http://{address}/mcp?access_token=x"));
    let response = request.json(&initialize()).send().await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    let told = "resource_metadata=\"http://127.0.0.1:9/.well-known/oauth-protected-resource/mcp\"";
    assert!(challenge.contains(told), "{challenge}");
    for place in ["", "/mcp"] {
        let place = format!("http://{address}/.well-known/oauth-protected-resource{place}");
        let metadata: Value = reqwest::get(place).await.unwrap().json().await.unwrap();
        assert_eq!(metadata["resource"], RESOURCE);
        assert_eq!(metadata["authorization_servers"], json!([issuer.address]));
        assert_eq!(metadata["scopes_supported"], json!(["tools"]));
    }
}

#[tokio::test]
async fn made_up_keys_cost_no_fetches() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let issuer = Issuer::start(&[&old]).await;
    let address = serve_for(&issuer.address, &[]).await;
    assert_eq!(met(address, &old.sign(&issuer.claims())).await.0, 200);
    for _ in 0..20 {
        let (status, _) = met(address, &new.sign(&issuer.claims())).await;
        assert_eq!(status, 401, "the key was not published yet");
    }
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn without_the_issuer_nobody_new_is_let_in() {
    let key = Key::new("one");
    let gone = "http://127.0.0.1:1";
    let address = serve_for(gone, &[]).await;
    let claims = json!({"iss": gone, "aud": RESOURCE, "exp": now() + 600});
    // Also while it is not asked again.
    for _ in 0..2 {
        let response = post(address, &key.sign(&claims), None, &initialize()).await;
        assert_eq!(response.status(), 503);
        let body = response.text().await.unwrap();
        assert!(body.contains("cannot be checked now"), "{body}");
    }
}

#[tokio::test]
async fn an_issuer_over_an_open_line_is_refused_at_the_start() {
    for (issuer, resource) in [
        ("http://login.example", RESOURCE),
        ("https://login.example", "http://tools.example/mcp"),
        ("login", RESOURCE),
    ] {
        let mut options = HttpOptions::local("127.0.0.1:0".parse().unwrap());
        options.access = Access::OAuth(OAuth {
            issuer: issuer.to_owned(),
            resource: resource.to_owned(),
            scopes: Vec::new(),
            keys: None,
        });
        let served = server(Seen::default())
            .serve_http(options, |_| {}, CancellationToken::new())
            .await;
        assert!(matches!(served, Err(KitError::Access(_))), "{served:?}");
    }
}

#[tokio::test]
async fn a_session_is_of_use_only_to_who_began_it() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let address = serve_for(&issuer.address, &[]).await;
    let ada = key.sign(&issuer.claims());
    let mut claims = issuer.claims();
    claims["sub"] = json!("eve");
    let eve = key.sign(&claims);
    let begun = post(address, &ada, None, &initialize()).await;
    let session = begun.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let stolen = post(address, &eve, Some(&session), &list).await;
    assert_eq!(stolen.status(), 404);
    let guessed = post(address, &eve, Some("no such session"), &list).await;
    assert_eq!(guessed.status(), stolen.status());
    assert_eq!(guessed.text().await.unwrap(), stolen.text().await.unwrap());
    let own = post(address, &ada, Some(&session), &list).await;
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn more_sessions_than_allowed_are_turned_away() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let address = serve_for(&issuer.address, &[]).await;
    let ada = key.sign(&issuer.claims());
    let first = post(address, &ada, None, &initialize()).await;
    let session = first.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(post(address, &ada, None, &initialize()).await.status(), 200);
    let third = post(address, &ada, None, &initialize()).await;
    assert_eq!(third.status(), 503);
    assert!(third.headers().contains_key("retry-after"));
    let end = Client::new()
        .delete(format!("http://{address}/mcp"))
        .header("mcp-session-id", session)
        .bearer_auth(&ada);
    assert!(end.send().await.unwrap().status().is_success());
    assert_eq!(post(address, &ada, None, &initialize()).await.status(), 200);
}
