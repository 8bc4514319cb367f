//! What servers ask of people, checked on the way in and on the way back.

use jsonschema::Validator;
use reqwest::Url;
use rmcp::model::{ElicitRequestParams, ElicitResult, ElicitationAction};
use serde_json::{Map, Value};

use crate::inquiry::{Answer, Desk, Inquiry, Wants};
use crate::validation::problem;

/// How often a person is asked again whose answer does not fit.
const MOST_TRIES: usize = 3;

/// Longest question, in bytes; a longer one is cut.
const MOST_MESSAGE_BYTES: usize = 4 << 10;

/// Puts a question to a desk, and what the server gets for an answer.
pub(crate) async fn elicit(
    server: &str,
    desk: &dyn Desk,
    asked: ElicitRequestParams,
) -> ElicitResult {
    let (answer, is_form) = match asked {
        ElicitRequestParams::FormElicitationParams {
            message,
            requested_schema,
            ..
        } => match serde_json::to_value(&requested_schema) {
            Ok(schema) => (fill_in(server, desk, message, schema).await, true),
            Err(_) => (Answer::Declined, true),
        },
        ElicitRequestParams::UrlElicitationParams { message, url, .. } => {
            (visit(server, desk, message, url).await, false)
        }
        _ => (Answer::Declined, false),
    };
    match answer {
        Answer::Accepted(values) if is_form => {
            ElicitResult::new(ElicitationAction::Accept).with_content(Value::Object(values))
        }
        Answer::Accepted(_) => ElicitResult::new(ElicitationAction::Accept),
        Answer::Declined => ElicitResult::new(ElicitationAction::Decline),
        Answer::Cancelled => ElicitResult::new(ElicitationAction::Cancel),
    }
}

/// A form, asked again with what is wrong until its answer fits.
async fn fill_in(server: &str, desk: &dyn Desk, message: String, schema: Value) -> Answer {
    let Ok(validator) = jsonschema::validator_for(&schema) else {
        tracing::warn!(server, "a form whose schema cannot be read was declined");
        return Answer::Declined;
    };
    let mut wrong = None;
    for _ in 0..MOST_TRIES {
        let inquiry = Inquiry {
            server: server.to_owned(),
            message: cut(&message),
            wants: Wants::Form {
                schema: schema.clone(),
            },
            problem: wrong.take(),
        };
        let values = match desk.ask(inquiry).await {
            Answer::Accepted(values) => with_defaults(values, &schema),
            other => return other,
        };
        match unfit(&validator, &schema, &values) {
            None => return Answer::Accepted(values),
            Some(problem) => wrong = Some(problem),
        }
    }
    tracing::warn!(server, "no answer to a form fitted its schema");
    Answer::Cancelled
}

/// The values with those of the schema's defaults that were left out.
fn with_defaults(mut values: Map<String, Value>, schema: &Value) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(default) = property.get("default")
            && !values.contains_key(name)
        {
            values.insert(name.clone(), default.clone());
        }
    }
    values
}

/// What is wrong with the values. Nothing goes to a server that it did not ask for.
fn unfit(validator: &Validator, schema: &Value, values: &Map<String, Value>) -> Option<String> {
    let asked = schema.get("properties").and_then(Value::as_object);
    let stranger = values
        .keys()
        .find(|name| !asked.is_some_and(|asked| asked.contains_key(*name)));
    if let Some(name) = stranger {
        return Some(format!("`{name}` is not asked for"));
    }
    problem(validator, &Value::Object(values.clone()))
}

async fn visit(server: &str, desk: &dyn Desk, message: String, url: String) -> Answer {
    if !may_be_opened(&url) {
        tracing::warn!(
            server,
            "an address that is neither https nor on this machine was declined"
        );
        return Answer::Declined;
    }
    let inquiry = Inquiry {
        server: server.to_owned(),
        message: cut(&message),
        wants: Wants::Url { url },
        problem: None,
    };
    desk.ask(inquiry).await
}

/// Whether a person may be sent to this address.
fn may_be_opened(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| match url.scheme() {
        "https" => true,
        "http" => is_this_machine(&url),
        _ => false,
    })
}

/// Whether an address names this machine.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn cut(message: &str) -> String {
    let end = message.floor_char_boundary(MOST_MESSAGE_BYTES);
    message.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde_json::json;

    use super::*;

    /// Gives these answers, one after another, and keeps what it was asked.
    struct Script(Mutex<(Vec<Answer>, Vec<Inquiry>)>);

    impl Script {
        fn new(answers: &[Answer]) -> Self {
            Self(Mutex::new((answers.to_vec(), Vec::new())))
        }

        fn asked(&self) -> Vec<Inquiry> {
            self.0.lock().unwrap().1.clone()
        }
    }

    #[async_trait]
    impl Desk for Script {
        async fn ask(&self, inquiry: Inquiry) -> Answer {
            let mut script = self.0.lock().unwrap();
            script.1.push(inquiry);
            script.0.remove(0)
        }
    }

    fn form(properties: Value, required: Value) -> ElicitRequestParams {
        serde_json::from_value(json!({"message": "How much?", "requestedSchema":
            {"type": "object", "properties": properties, "required": required}}))
        .unwrap()
    }

    fn accepted(values: Value) -> Answer {
        Answer::Accepted(values.as_object().unwrap().clone())
    }

    #[tokio::test]
    async fn defaults_are_filled_in() {
        let desk = Script::new(&[accepted(json!({"b": 2}))]);
        let asked = form(
            json!({"a": {"type": "string", "default": "x"},
                "b": {"type": "integer", "default": 1},
                "c": {"type": "boolean", "default": true}}),
            json!([]),
        );
        let result = elicit("s", &desk, asked).await;
        assert_eq!(result.action, ElicitationAction::Accept);
        assert_eq!(result.content, Some(json!({"b": 2, "a": "x", "c": true})));
        assert_eq!(desk.asked()[0].server, "s");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_fit_is_asked_for_again_and_given_up() {
        let wrong = accepted(json!({"n": "many"}));
        let asked = form(
            json!({"n": {"type": "integer", "maximum": 3}}),
            json!(["n"]),
        );
        let desk = Script::new(&[
            wrong.clone(),
            accepted(json!({"n": 4})),
            accepted(json!({"n": 3})),
        ]);
        let result = elicit("s", &desk, asked.clone()).await;
        assert_eq!(result.content, Some(json!({"n": 3})));
        let problems: Vec<Option<String>> = desk
            .asked()
            .into_iter()
            .map(|asked| asked.problem)
            .collect();
        assert_eq!(problems[0], None);
        assert!(problems[1].as_ref().unwrap().contains("integer"));
        assert!(problems[2].as_ref().unwrap().contains("maximum of 3"));

        let desk = Script::new(&[
            wrong.clone(),
            accepted(json!({})),
            accepted(json!({"n": 1, "password": "x"})),
        ]);
        let result = elicit("s", &desk, asked).await;
        assert_eq!(result.action, ElicitationAction::Cancel);
        assert_eq!(
            result.content, None,
            "nothing that was not asked for leaves"
        );
    }

    #[tokio::test]
    async fn only_addresses_that_are_safe_to_open_reach_a_person() {
        for (url, opened) in [
            ("https://example.com/pay", true),
            ("http://127.0.0.1:8000/x", true),
            ("http://[::1]/x", true),
            ("http://localhost/x", true),
            ("http://example.com/pay", false),
            ("javascript:alert(1)", false),
            ("file:///etc/passwd", false),
            ("no address", false),
        ] {
            let desk = Script::new(&[accepted(json!({"ignored": 1}))]);
            let asked: ElicitRequestParams = serde_json::from_value(
                json!({"mode": "url", "message": "m", "url": url, "elicitationId": "1"}),
            )
            .unwrap();
            let result = elicit("s", &desk, asked).await;
            assert_eq!(desk.asked().len(), usize::from(opened), "{url}");
            assert_eq!(result.content, None);
            assert_eq!(result.action == ElicitationAction::Accept, opened, "{url}");
        }
    }
}
