//! Tokens: got through a browser, kept, renewed, and asked for again only when need be.
//!
//! The authorization server is written by hand. What the official suite checks of discovery, client
//! registration and scopes is left to it; here is what it does not look at.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ropewalk_core::tool::ToolOutcome;
use ropewalk_host::inquiry::{Answer, Desk, Inquiry, Wants};
use ropewalk_host::{HostOptions, OauthConfig, ServerConfig};
use serde_json::{Map, Value, json};

use crate::scripted::{at, call, modern, said, start, tool};

/// An MCP server and its authorization server at one address.
struct Town {
    url: String,
    state: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    base: String,
    /// Tokens that are good.
    good: Vec<String>,
    issued: usize,
    registered: usize,
    /// Grants by kind, in order.
    grants: Vec<String>,
    /// Seconds that a token lasts.
    lasts: u64,
    /// Whether refresh tokens are taken.
    renews: bool,
    /// Requests to the MCP server with their tokens.
    calls: Vec<(String, String)>,
    /// Denies what a person is asked for.
    denies: bool,
}

type Shared = Arc<Mutex<Books>>;

async fn town() -> Town {
    let state: Shared = Arc::new(Mutex::new(Books {
        lasts: 3_600,
        renews: true,
        ..Books::default()
    }));
    let router = Router::new()
        .route("/mcp", post(mcp))
        .route("/.well-known/oauth-protected-resource/mcp", get(resource))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/register", post(register))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .with_state(Arc::clone(&state));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    state.lock().unwrap().base.clone_from(&base);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Town {
        url: format!("{base}/mcp"),
        state,
    }
}

async fn mcp(State(books): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let message: Value = serde_json::from_str(&body).unwrap();
    let method = message["method"].as_str().unwrap().to_owned();
    let token = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().replace("Bearer ", ""))
        .unwrap_or_default();
    let mut books = books.lock().unwrap();
    books.calls.push((method.clone(), token.clone()));
    if !books.good.contains(&token) {
        let challenge = format!(
            "Bearer scope=\"rope\", resource_metadata=\
             \"{}/.well-known/oauth-protected-resource/mcp\"",
            books.base
        );
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response();
    }
    let result = match method.as_str() {
        "tools/call" => said("done"),
        _ => modern(&method, json!([tool("a")])),
    };
    Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).into_response()
}

async fn resource(State(books): State<Shared>) -> Json<Value> {
    let base = books.lock().unwrap().base.clone();
    Json(json!({"resource": format!("{base}/mcp"), "authorization_servers": [base]}))
}

async fn metadata(State(books): State<Shared>) -> Json<Value> {
    let base = books.lock().unwrap().base.clone();
    Json(
        json!({"issuer": base, "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "registration_endpoint": format!("{base}/register"),
        "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true}),
    )
}

async fn register(
    State(books): State<Shared>,
    Json(asked): Json<Value>,
) -> (StatusCode, Json<Value>) {
    books.lock().unwrap().registered += 1;
    let client = json!({"client_id": "client-1", "redirect_uris": asked["redirect_uris"]});
    (StatusCode::CREATED, Json(client))
}

async fn authorize(
    State(books): State<Shared>,
    Query(asked): Query<HashMap<String, String>>,
) -> Redirect {
    let books = books.lock().unwrap();
    assert_eq!(asked["resource"], format!("{}/mcp", books.base));
    assert_eq!(asked["code_challenge_method"], "S256");
    let (back, state) = (&asked["redirect_uri"], &asked["state"]);
    let issuer = &books.base;
    Redirect::to(&if books.denies {
        format!("{back}?error=access_denied&state={state}&iss={issuer}")
    } else {
        format!("{back}?code=c&state={state}&iss={issuer}")
    })
}

async fn token(
    State(books): State<Shared>,
    _: Uri,
    Form(asked): Form<HashMap<String, String>>,
) -> Response {
    let mut books = books.lock().unwrap();
    let grant = asked["grant_type"].clone();
    books.grants.push(grant.clone());
    assert_eq!(asked["resource"], format!("{}/mcp", books.base));
    if grant == "refresh_token" && !books.renews {
        let error = Json(json!({"error": "invalid_grant"}));
        return (StatusCode::BAD_REQUEST, error).into_response();
    }
    books.issued += 1;
    let access = format!("secret-token-{}", books.issued);
    books.good = vec![access.clone()];
    Json(
        json!({"access_token": access, "token_type": "Bearer", "expires_in": books.lasts,
        "refresh_token": "secret-refresh"}),
    )
    .into_response()
}

/// Follows addresses as a browser does.
struct Browser {
    visits: Mutex<usize>,
}

#[async_trait]
impl Desk for Browser {
    async fn ask(&self, inquiry: Inquiry) -> Answer {
        let Wants::Url { url } = inquiry.wants else {
            return Answer::Declined;
        };
        *self.visits.lock().unwrap() += 1;
        assert!(
            inquiry.message.contains("sign in at"),
            "{}",
            inquiry.message
        );
        reqwest::get(url).await.unwrap();
        Answer::Accepted(Map::new())
    }
}

fn browser() -> Arc<Browser> {
    Arc::new(Browser {
        visits: Mutex::new(0),
    })
}

fn with(browser: &Arc<Browser>, state: Option<&Path>) -> HostOptions {
    let desk: Arc<dyn Desk> = browser.clone();
    HostOptions {
        desk,
        state: state.map(Path::to_owned),
        ..HostOptions::default()
    }
}

async fn works(town: &Town, options: HostOptions) {
    let (host, failures) = start(at(&town.url), options).await;
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(call(&host, "s__a", json!({})).await.text(), "done");
    host.shutdown().await;
}

#[tokio::test]
async fn a_person_is_asked_once_and_the_token_serves_the_next_programs() {
    let (town, person) = (town().await, browser());
    let place = tempfile::tempdir().unwrap();
    works(&town, with(&person, Some(place.path()))).await;
    works(&town, with(&person, Some(place.path()))).await;
    works(
        &town,
        HostOptions {
            state: Some(place.path().to_owned()),
            ..HostOptions::default()
        },
    )
    .await;
    assert_eq!(*person.visits.lock().unwrap(), 1);
    let books = town.state.lock().unwrap();
    assert_eq!((books.registered, books.grants.len()), (1, 1));
    // One request without a token, then none.
    let without = books.calls.iter().filter(|(_, token)| token.is_empty());
    assert_eq!(without.count(), 1);
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_without_asking() {
    let (town, person) = (town().await, browser());
    let place = tempfile::tempdir().unwrap();
    // It is as good as over when it is given.
    town.state.lock().unwrap().lasts = 40;
    let (host, failures) = start(at(&town.url), with(&person, Some(place.path()))).await;
    assert_eq!(failures, Vec::<String>::new());
    // Refused before its time.
    town.state.lock().unwrap().good.clear();
    assert_eq!(call(&host, "s__a", json!({})).await.text(), "done");
    host.shutdown().await;
    assert_eq!(*person.visits.lock().unwrap(), 1);
    let grants = town.state.lock().unwrap().grants.clone();
    assert_eq!(grants, ["authorization_code", "refresh_token"]);
    // The next program finds one that ends within seconds.
    town.state.lock().unwrap().lasts = 10;
    town.state.lock().unwrap().good.clear();
    works(&town, with(&person, Some(place.path()))).await;
    assert_eq!(*person.visits.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_refresh_token_that_is_refused_sends_the_person_again() {
    let (town, person) = (town().await, browser());
    let (host, _) = start(at(&town.url), with(&person, None)).await;
    {
        let mut books = town.state.lock().unwrap();
        books.good.clear();
        books.renews = false;
    }
    assert_eq!(call(&host, "s__a", json!({})).await.text(), "done");
    assert_eq!(*person.visits.lock().unwrap(), 2);
}

#[tokio::test]
async fn with_nobody_there_it_is_said_what_to_run() {
    let town = town().await;
    let (_, failures) = start(at(&town.url), HostOptions::default()).await;
    let failure = &failures[0];
    assert!(failure.contains("ropewalk servers login s"), "{failure}");
    assert!(failure.contains("bearer_env"), "{failure}");
    assert_eq!(
        town.state.lock().unwrap().registered,
        0,
        "nothing was begun"
    );
}

#[tokio::test]
async fn a_no_of_the_person_or_of_the_server_is_told() {
    let (town, person) = (town().await, browser());
    town.state.lock().unwrap().denies = true;
    let (_, failures) = start(at(&town.url), with(&person, None)).await;
    assert!(failures[0].contains("access_denied"), "{failures:?}");

    struct Unwilling;
    #[async_trait]
    impl Desk for Unwilling {
        async fn ask(&self, _: Inquiry) -> Answer {
            Answer::Declined
        }
    }
    let options = HostOptions {
        desk: Arc::new(Unwilling),
        ..HostOptions::default()
    };
    let (_, failures) = start(at(&town.url), options).await;
    assert!(failures[0].contains("it was declined"), "{failures:?}");
}

#[tokio::test]
async fn a_server_that_names_another_authorization_server_than_allowed_gets_nothing() {
    let (town, person) = (town().await, browser());
    let config = ServerConfig {
        oauth: OauthConfig {
            client_id: Some("by-hand".to_owned()),
            client_secret: Some("secret-by-hand".to_owned()),
            issuer: Some("https://issuer.example".to_owned()),
            ..OauthConfig::default()
        },
        ..at(&town.url)
    };
    let (_, failures) = start(config, with(&person, None)).await;
    assert!(
        failures[0].contains("allows only https://issuer.example"),
        "{failures:?}"
    );
    assert!(!failures[0].contains("secret"), "{failures:?}");
    assert_eq!(*person.visits.lock().unwrap(), 0);
}

#[tokio::test]
async fn what_fails_says_nothing_of_the_token() {
    let (town, person) = (town().await, browser());
    let (host, _) = start(at(&town.url), with(&person, None)).await;
    {
        let mut books = town.state.lock().unwrap();
        books.good.clear();
        books.renews = false;
        books.denies = true;
    }
    let ToolOutcome::Error { message } = call(&host, "s__a", json!({})).await else {
        panic!("it cannot work")
    };
    assert!(message.contains("access_denied"), "{message}");
    assert!(!message.contains("secret"), "{message}");
}
