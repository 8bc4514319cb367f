//! The vector server's tools, called over MCP through the host, on the embedded engine and on a
//! Qdrant server alike.

#[path = "../../mcp-servers/vector/tests/vector/qdrant_server.rs"]
mod qdrant_server;

use std::collections::BTreeMap;
use std::sync::Arc;

use ropewalk_core::tool::{ToolCall, ToolOutcome};
use ropewalk_embed::Embedder;
use ropewalk_host::{Caller, Endpoint, Host, HostOptions};
use ropewalk_vector::server::{DEFAULT_COLLECTION, VectorServer};
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::remote::RemoteStore;
use ropewalk_vector::store::{CollectionShape, DenseSpec, Distance, Point, PointId, VectorStore};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The tools over a store, behind a host.
struct Tools(Host);

impl Tools {
    async fn over(store: Arc<dyn VectorStore>) -> Self {
        let embedder = Embedder::shipped().unwrap();
        let server = VectorServer::new(store, embedder, DEFAULT_COLLECTION).tools();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move { server.serve_io(theirs, CancellationToken::new()).await });
        let servers = vec![("vector".to_owned(), Endpoint::BuiltIn(ours))];
        let (host, failures) = Host::start(servers, HostOptions::default()).await;
        assert!(failures.is_empty(), "{failures:?}");
        Self(host)
    }

    async fn call(&self, tool: &str, arguments: Value) -> ToolOutcome {
        let call = ToolCall {
            id: "c1".to_owned(),
            name: format!("vector__{tool}"),
            arguments,
        };
        let cancel = CancellationToken::new();
        let caller = Caller {
            key: None,
            cancel: &cancel,
            progress: Arc::new(|_| {}),
            desk: None,
            payer: None,
        };
        self.0.call(&call, caller).await
    }

    async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let outcome = self.call(tool, arguments).await;
        outcome
            .structured()
            .cloned()
            .unwrap_or_else(|| panic!("{outcome:?}"))
    }

    async fn refused(&self, tool: &str, arguments: Value) -> String {
        match self.call(tool, arguments).await {
            ToolOutcome::Error { message } => message,
            other => panic!("{tool} worked: {other:?}"),
        }
    }

    async fn text(&self, name: &str, text: &str) {
        let written = self.ok("ingest", json!({"name": name, "text": text})).await;
        assert_eq!(written["written"], 1, "{written}");
    }
}

fn sources(found: &Value) -> Vec<&str> {
    let hits = found["hits"].as_array().unwrap().iter();
    hits.map(|hit| hit["citation"]["source"].as_str().unwrap())
        .collect()
}

async fn documents_are_found_filtered_read_counted_and_deleted(store: Arc<dyn VectorStore>) {
    let tools = Tools::over(store).await;
    tools
        .text(
            "knots.md",
            "---\nauthor: Ada\n---\n# Knots\n\nThe bowline makes a fixed loop.\n",
        )
        .await;
    tools
        .text(
            "ferries.md",
            "---\nauthor: Grace\n---\n# Ferries\n\nThe ferry leaves at noon.\n",
        )
        .await;
    let question = "Which knot makes a loop?";
    let found = tools.ok("search", json!({"query": question})).await;
    assert_eq!(sources(&found)[0], "knots.md", "{found}");
    let scores = &found["hits"][0]["scores"];
    assert!(
        scores["dense"].is_number() && scores["lexical"].is_number(),
        "{found}"
    );
    for fusion in [
        json!({"fusion": "rrf", "k": 5}),
        json!({"lexical_weight": 2.0}),
    ] {
        let mut arguments = json!({"query": question});
        arguments
            .as_object_mut()
            .unwrap()
            .extend(fusion.as_object().unwrap().clone());
        assert_eq!(sources(&tools.ok("search", arguments).await)[0], "knots.md");
    }
    let grace = json!([{"field": "meta.author", "equals": "Grace"}]);
    let found = tools
        .ok("search", json!({"query": question, "filter": grace}))
        .await;
    assert_eq!(sources(&found), ["ferries.md"], "{found}");
    let count = json!({"action": "count", "filter": grace});
    assert_eq!(tools.ok("collections", count).await["passages"], 1);
    let near = json!([{"field": "meta.auhtor", "equals": "Grace"}]);
    let message = tools
        .refused("search", json!({"query": "x", "filter": near}))
        .await;
    assert!(message.contains("meta.author"), "{message}");

    let id = &tools.ok("search", json!({"query": question})).await["hits"][0]["citation"]["id"];
    let read = tools
        .ok("read", json!({"id": id, "what": "document"}))
        .await;
    assert!(
        read["text"].as_str().unwrap().contains("fixed loop"),
        "{read}"
    );
    let removed = tools.ok("delete", json!({"source": "knots.md"})).await;
    assert_eq!(removed["removed"], 1);
    let found = tools.ok("search", json!({"query": question})).await;
    assert_eq!(sources(&found), ["ferries.md"], "{found}");
}

async fn texts_stay_within_the_callers_tokens(store: Arc<dyn VectorStore>) {
    let tools = Tools::over(store).await;
    for number in 0..6 {
        let text = format!("Rope number {number} holds {} kilograms. ", 100 + number).repeat(20);
        tools.text(&format!("rope{number}.txt"), &text).await;
    }
    let query = "How much does a rope hold?";
    let all = tools.ok("search", json!({"query": query})).await;
    assert_eq!(sources(&all).len(), 6);
    assert!(all.get("next_cursor").is_none(), "{all}");
    let few = tools
        .ok("search", json!({"query": query, "max_tokens": 450}))
        .await;
    assert_eq!(sources(&few), sources(&all)[..2], "{few}");
    let named = |page: &Value| {
        sources(page)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut shown = named(&few);
    let mut cursor = few["next_cursor"].clone();
    while !cursor.is_null() {
        let page = json!({"query": query, "max_tokens": 450, "cursor": cursor});
        let mut page = tools.ok("search", page).await;
        shown.extend(named(&page));
        cursor = page["next_cursor"].take();
    }
    assert_eq!(shown, sources(&all), "every passage comes once");
    let elsewhere = json!({"query": "ships", "cursor": few["next_cursor"]});
    let refused = tools.refused("search", elsewhere).await;
    assert!(refused.contains("other arguments"), "{refused}");
    let one = tools
        .ok("search", json!({"query": query, "max_tokens": 1}))
        .await;
    assert_eq!(sources(&one), sources(&all)[..1]);
}

async fn collections_of_others_are_searched_by_meaning(store: Arc<dyn VectorStore>) {
    let embedder = Embedder::shipped().unwrap();
    let texts = [
        "Bees make honey from nectar.",
        "The tram stops at the harbour.",
    ];
    let vectors = embedder.embed(&texts).unwrap();
    let shape = |name: &str, size: u64| CollectionShape {
        dense: BTreeMap::from([(
            name.to_owned(),
            DenseSpec {
                size,
                distance: Distance::Cosine,
            },
        )]),
        ..CollectionShape::default()
    };
    store
        .create("theirs", &shape("embedding", 384))
        .await
        .unwrap();
    let points = texts
        .iter()
        .zip(vectors)
        .zip(7..)
        .map(|((text, vector), number)| Point {
            id: PointId::Number(number),
            dense: BTreeMap::from([("embedding".to_owned(), vector)]),
            sparse: BTreeMap::new(),
            payload: json!({"page_content": text, "metadata": {"source": format!("s{number}")}})
                .as_object()
                .unwrap()
                .clone(),
        });
    store.upsert("theirs", points.collect()).await.unwrap();
    store.create("small", &shape("dense", 4)).await.unwrap();
    let tools = Tools::over(Arc::clone(&store)).await;
    let arguments = json!({"query": "Where does honey come from?", "collection": "theirs"});
    let found = tools.ok("search", arguments).await;
    assert_eq!(sources(&found)[0], "s7", "{found}");
    let citation = &found["hits"][0]["citation"];
    assert_eq!(citation["quote"], texts[0]);
    let id = &citation["id"];
    let read = tools
        .ok("read", json!({"id": id, "collection": "theirs"}))
        .await;
    assert_eq!(read["text"], texts[0]);
    let describe = json!({"action": "describe", "collection": "theirs"});
    let described = tools.ok("collections", describe).await;
    assert_eq!(described["vectors"], json!({"embedding": 384}));
    assert!(
        described["fields"].to_string().contains("metadata.source"),
        "{described}"
    );
    let message = tools
        .refused("search", json!({"query": "honey", "collection": "small"}))
        .await;
    assert!(
        message.contains('4') && message.contains("384"),
        "{message}"
    );
    // Ours are not mixed into theirs either.
    let text = json!({"name": "a.md", "text": "Rope.", "collection": "small"});
    let message = tools.refused("ingest", text).await;
    assert!(
        message.contains('4') && message.contains("384"),
        "{message}"
    );
}

async fn wrong_arguments_are_named(store: Arc<dyn VectorStore>) {
    let tools = Tools::over(store).await;
    for (tool, arguments, said) in [
        ("search", json!({"qurey": "x"}), "query"),
        ("search", json!({"query": 3}), "query"),
        ("search", json!({"query": "x", "limit": 0}), "limit"),
        ("search", json!({"query": "  "}), "the query is empty"),
        (
            "search",
            json!({"query": "x", "collection": "none"}),
            "none",
        ),
        ("read", json!({}), "either `id` or `source`"),
        ("ingest", json!({"text": "x"}), "name"),
        (
            "ingest",
            json!({"paths": ["/nowhere/at/all"]}),
            "there is no such file",
        ),
        ("delete", json!({}), "source"),
    ] {
        let message = tools.refused(tool, arguments.clone()).await;
        assert!(message.contains(said), "{tool} {arguments}: {message}");
    }
}

macro_rules! on_both_stores {
    ($($name:ident,)*) => {
        mod edge {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(Arc::new(EdgeStore::open(folder.path()).unwrap())).await;
            })*
        }
        mod remote {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let address = qdrant_server::serve(None).await;
                let store = RemoteStore::connect(&format!("http://{address}"), None).await.unwrap();
                super::$name(Arc::new(store)).await;
            })*
        }
    };
}

on_both_stores! {
    documents_are_found_filtered_read_counted_and_deleted,
    texts_stay_within_the_callers_tokens,
    collections_of_others_are_searched_by_meaning,
    wrong_arguments_are_named,
}
