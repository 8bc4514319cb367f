//! The openai engine's breaker, its limits, and its care with keys.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::openai::{OpenAi, OpenAiConfig};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::endpoint::{
    Act, Endpoint, KEY, ask, engine, hi, json_answer, piece, stream_head, streamed,
};

fn down() -> Vec<Act> {
    vec![Act::Send(json_answer(
        503,
        "",
        &json!({"error": {"message": "down"}}),
    ))]
}

#[tokio::test]
async fn an_endpoint_that_keeps_failing_is_left_alone_and_tried_again_later() {
    let endpoint = Endpoint::start(vec![down(), down(), down(), hi()]).await;
    let engine = engine(OpenAiConfig {
        breaker_failures: 2,
        breaker_cooldown: 1,
        max_retries: 5,
        ..endpoint.config()
    });
    let ask_it = || engine.chat(ask(), DeltaSink::none());
    let error = ask_it().await.unwrap_err();
    assert!(
        matches!(error, EngineError::Refused { status: 503, .. }),
        "{error}"
    );
    assert_eq!(
        endpoint.seen().len(),
        2,
        "no more tries once the breaker is open"
    );
    let error = ask_it().await.unwrap_err();
    let EngineError::CircuitOpen { left, last, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        *left <= Duration::from_secs(1) && last.contains("down"),
        "{error}"
    );
    assert!(
        error.to_string().contains("GMT"),
        "says until when: {error}"
    );
    assert_eq!(endpoint.seen().len(), 2, "nothing was sent");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert!(ask_it().await.is_err(), "the one that finds out fails too");
    let EngineError::CircuitOpen { left, .. } = ask_it().await.unwrap_err() else {
        panic!("it is open again");
    };
    assert!(
        left > Duration::from_millis(1_500),
        "and for longer: {left:?}"
    );
    tokio::time::sleep(left + Duration::from_millis(50)).await;
    assert_eq!(ask_it().await.unwrap().text, "hi");
    assert_eq!(ask_it().await.unwrap().text, "hi");
}

#[tokio::test]
async fn refusals_do_not_open_the_breaker() {
    let refusal = vec![Act::Send(json_answer(
        400,
        "",
        &json!({"error": {"message": "no"}}),
    ))];
    let endpoint = Endpoint::start(vec![refusal]).await;
    let engine = engine(OpenAiConfig {
        breaker_failures: 1,
        ..endpoint.config()
    });
    for _ in 0..3 {
        let error = engine.chat(ask(), DeltaSink::none()).await.unwrap_err();
        assert!(
            matches!(error, EngineError::Refused { status: 400, .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn limits_hold_and_what_never_fits_is_told_at_once() {
    let endpoint = Endpoint::start(vec![hi()]).await;
    let engine_with = |change: fn(&mut OpenAiConfig)| {
        let mut config = endpoint.config();
        config.longest_wait = 0;
        change(&mut config);
        engine(config)
    };
    let few = engine_with(|config| config.requests_per_minute = Some(2));
    for round in 0..3 {
        let outcome = few.chat(ask(), DeltaSink::none()).await;
        assert_eq!(outcome.is_ok(), round < 2, "{round}");
        if let Err(error) = outcome {
            assert!(
                matches!(error, EngineError::OverLimit { wait: Some(_), .. }),
                "{error}"
            );
            assert!(error.to_string().contains("requests_per_minute"), "{error}");
        }
    }
    let small = engine_with(|config| config.tokens_per_minute = Some(100));
    let error = small.chat(ask(), DeltaSink::none()).await.unwrap_err();
    assert!(
        matches!(error, EngineError::OverLimit { wait: None, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("tokens_per_minute"), "{error}");
    assert_eq!(endpoint.seen().len(), 2);
}

#[tokio::test]
async fn requests_at_once_are_bounded_and_a_cancelled_one_makes_room() {
    let endpoint = Endpoint::start(vec![vec![Act::Hold], vec![Act::Hold], hi()]).await;
    let engine = Arc::new(engine(OpenAiConfig {
        max_concurrent: Some(2),
        longest_wait: 20,
        ..endpoint.config()
    }));
    let go = |engine: &Arc<OpenAi>| {
        let engine = engine.clone();
        tokio::spawn(async move { engine.chat(ask(), DeltaSink::none()).await })
    };
    let (one, two) = (go(&engine), go(&engine));
    while endpoint.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    let three = go(&engine);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(endpoint.seen().len(), 2, "the third waits");
    one.abort();
    assert_eq!(three.await.unwrap().unwrap().text, "hi");
    two.abort();
}

#[test]
fn a_key_comes_from_where_the_configuration_says() {
    let nowhere = OpenAiConfig {
        base_url: "http://127.0.0.1:9/v1".into(),
        model: "m".into(),
        key_env: Some("ROPEWALK_TEST_NO_SUCH_KEY".into()),
        ..OpenAiConfig::default()
    };
    let error = OpenAi::new(nowhere.clone()).unwrap_err();
    assert!(
        error.to_string().contains("ROPEWALK_TEST_NO_SUCH_KEY"),
        "{error}"
    );
    let keyring = OpenAiConfig {
        key_keyring: Some("ropewalk-test-no-such-service/nobody".into()),
        ..nowhere.clone()
    };
    let error = OpenAi::new(keyring).unwrap_err();
    assert!(matches!(error, EngineError::Keyring { .. }), "{error}");
    assert!(error.to_string().contains("secret-tool store"), "{error}");
    let password = OpenAiConfig {
        base_url: "http://me:hunter22@127.0.0.1:9/v1".into(),
        ..nowhere
    };
    let shown = format!("{password:?}");
    let error = OpenAi::with_key(password, Some(KEY.into())).unwrap_err();
    assert!(
        !format!("{shown}{error}{error:?}").contains("hunter22"),
        "{error}"
    );
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever an endpoint repeats, and wherever: the key is in no message and in no log.
    #[test]
    fn no_message_and_no_log_holds_the_key(
        key in "[!-~]{8,60}",
        before in "[ -~]{0,300}",
        place in 0_usize..6,
    ) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let said = tracing::subscriber::with_default(subscriber, || runtime.block_on(async {
            let echo = format!("{before}{key} Bearer {key}");
            let error = json!({"error": {"message": echo.clone(), "code": 500, "type": echo.clone()}});
            let plain = |head: &str| vec![Act::Send(format!("{head}\r\nconnection: close\r\n\r\n{echo}").into_bytes())];
            let script = match place {
                0 => vec![Act::Send(json_answer(401, "", &error))],
                1 => vec![Act::Send(json_answer(500, "", &json!({"detail": [echo]})))],
                2 => plain("HTTP/1.1 400 Bad\r\ncontent-type: text/plain"),
                3 => plain("HTTP/1.1 200 OK\r\ncontent-type: text/html"),
                4 => streamed(&[piece(json!({"content": "a"})), error]),
                _ => vec![Act::Send([stream_head(), format!("data: {echo}\n\n").into_bytes()].concat())],
            };
            let endpoint = Endpoint::start(vec![script]).await;
            let config = OpenAiConfig { max_retries: 1, breaker_failures: 2, ..endpoint.config() };
            let engine = OpenAi::with_key(config, Some(key.clone())).unwrap();
            let mut said = format!("{engine:?}");
            for _ in 0..2 {
                let error = engine.chat(ask(), DeltaSink::none()).await.unwrap_err();
                said += &format!("{error} {error:?}");
            }
            said
        }));
        let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).to_string();
        for (what, text) in [("message", &said), ("log", &logged)] {
            prop_assert!(!text.contains(&key), "{what}: {key}: {text}");
            let escaped = format!("{key:?}");
            prop_assert!(!text.contains(escaped.trim_matches('"')), "{what}: {key}: {text}");
        }
    }
}
