//! Tools and a prompt that ask in the middle of a call.

use ropewalk_mcp_kit::{
    Answer, CallContext, Content, Faculty, FormAnswer, ModelQuestion, PromptMessage, PromptMeta,
    Question, ToolError, ToolServer,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tools::{Nothing, meta};

#[derive(Deserialize, JsonSchema)]
struct Sampling {
    /// What the model is asked.
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Elicitation {
    /// What the person is told.
    message: String,
}

type Given = Result<Vec<Content>, ToolError>;

fn text(text: impl Into<String>) -> Vec<Content> {
    vec![Content::text(text)]
}

/// A form with one field that must be filled in.
fn one_field(name: &str, kind: &str) -> Value {
    json!({"type": "object", "properties": {name: {"type": kind}}, "required": [name]})
}

/// What was filled in under a name, or how the form ended otherwise.
fn filled(answer: FormAnswer, name: &str) -> String {
    match answer {
        FormAnswer::Given(given) => match given.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "nobody".to_owned(),
        },
        FormAnswer::Declined => "nobody (declined)".to_owned(),
        FormAnswer::Cancelled => "nobody (cancelled)".to_owned(),
    }
}

/// How a form ended, as the suite wants to read it.
fn ended(answer: FormAnswer) -> String {
    match answer {
        FormAnswer::Given(given) => {
            format!("action=accept, content={}", Value::Object(given))
        }
        FormAnswer::Declined => "action=decline, content={}".to_owned(),
        FormAnswer::Cancelled => "action=cancel, content={}".to_owned(),
    }
}

pub(super) fn add(server: ToolServer) -> ToolServer {
    rounds(older(server)).prompt(
        PromptMeta {
            name: "test_input_required_result_prompt".to_owned(),
            title: "A prompt that asks".to_owned(),
            description: "Asks which context to use.".to_owned(),
            arguments: Vec::new(),
        },
        |_, context: CallContext| async move {
            let fields = one_field("context", "string");
            let message = "What context should the prompt use?";
            let answer = context.ask_form("user_context", message, fields).await?;
            let words = format!("Use this context: {}", filled(answer, "context"));
            Ok(vec![PromptMessage::user(Content::text(words))])
        },
    )
}

/// What both eras call.
fn older(server: ToolServer) -> ToolServer {
    server
        .content_tool(
            meta("test_sampling", "Asks the client's model."),
            |sampling: Sampling, context: CallContext| async move {
                let said = context.ask_model("answer", sampling.prompt, 100).await?;
                Ok(text(format!("LLM response: {said}")))
            },
        )
        .content_tool(
            meta("test_elicitation", "Asks the person."),
            |elicitation: Elicitation, context: CallContext| async move {
                let fields = json!({
                    "type": "object",
                    "properties": {
                        "username": {"type": "string", "description": "User's response"},
                        "email": {"type": "string", "description": "User's email address"},
                    },
                    "required": ["username", "email"],
                });
                let answer = context
                    .ask_form("user", elicitation.message, fields)
                    .await?;
                Ok(text(format!("User response: {}", ended(answer))))
            },
        )
        .content_tool(
            meta(
                "test_elicitation_sep1034_defaults",
                "Asks with values already filled in.",
            ),
            |_: Nothing, context: CallContext| async move {
                let fields = json!({
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "default": "John Doe"},
                        "age": {"type": "integer", "default": 30},
                        "score": {"type": "number", "default": 95.5},
                        "status": {"type": "string", "enum": ["active", "inactive", "pending"],
                            "default": "active"},
                        "verified": {"type": "boolean", "default": true},
                    },
                });
                let answer = context
                    .ask_form("values", "Are these right?", fields)
                    .await?;
                Ok(text(format!("Elicitation completed: {}", ended(answer))))
            },
        )
        .content_tool(
            meta(
                "test_elicitation_sep1330_enums",
                "Asks for choices of every kind.",
            ),
            |_: Nothing, context: CallContext| async move {
                let answer = context.ask_form("choices", "Choose.", choices()).await?;
                Ok(text(format!("Elicitation completed: {}", ended(answer))))
            },
        )
}

fn choices() -> Value {
    let options = json!(["option1", "option2", "option3"]);
    let titled = |titles: [&str; 3]| {
        let one = |(number, title): (usize, &str)| json!({"const": format!("value{number}"), "title": title});
        (1..).zip(titles).map(one).collect::<Vec<_>>()
    };
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string",
                "oneOf": titled(["First Option", "Second Option", "Third Option"])},
            "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"]},
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {"type": "array",
                "items": {"anyOf": titled(["First Choice", "Second Choice", "Third Choice"])}},
        },
    })
}

fn asks<F, Fut>(server: ToolServer, name: &'static str, run: F) -> ToolServer
where
    F: Fn(CallContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Given> + Send + 'static,
{
    server.content_tool(meta(name, "Asks first."), move |_: Nothing, context| {
        run(context)
    })
}

async fn greet(context: CallContext) -> Given {
    let fields = one_field("name", "string");
    let answer = context
        .ask_form("user_name", "What is your name?", fields)
        .await?;
    Ok(text(format!("Hello, {}!", filled(answer, "name"))))
}

async fn confirm(context: CallContext) -> Given {
    let fields = one_field("ok", "boolean");
    context
        .ask_form("confirm", "Please confirm", fields)
        .await?;
    Ok(text("state-ok"))
}

async fn three_questions(context: CallContext) -> Given {
    let form = Question::Form {
        message: "What is your name?".to_owned(),
        fields: one_field("name", "string"),
    };
    let model = Question::Model(ModelQuestion {
        prompt: "Generate a greeting".to_owned(),
        max_tokens: 50,
        ..ModelQuestion::default()
    });
    let questions = vec![
        ("user_name".to_owned(), form),
        ("greeting".to_owned(), model),
        ("client_roots".to_owned(), Question::Roots),
    ];
    let mut words = Vec::new();
    for answer in context.ask(questions).await? {
        words.push(match answer {
            Answer::Form(answer) => filled(answer, "name"),
            Answer::Model(said) => said,
            Answer::Roots(roots) => roots.join(", "),
            Answer::Link(agreed) => agreed.to_string(),
        });
    }
    Ok(text(words.join("; ")))
}

async fn two_rounds(context: CallContext) -> Given {
    let name = context.ask_form(
        "step1",
        "Step 1: What is your name?",
        one_field("name", "string"),
    );
    let name = filled(name.await?, "name");
    let colour = context.ask_form(
        "step2",
        "Step 2: What is your favorite color?",
        one_field("color", "string"),
    );
    let colour = filled(colour.await?, "color");
    Ok(text(format!("{name} likes {colour}")))
}

async fn what_it_can(context: CallContext) -> Given {
    let mut questions = Vec::new();
    if context.can(Faculty::Forms) {
        let form = Question::Form {
            message: "What is your name?".to_owned(),
            fields: one_field("name", "string"),
        };
        questions.push(("user_name".to_owned(), form));
    }
    if context.can(Faculty::Model) {
        let model = Question::Model(ModelQuestion {
            prompt: "Generate a greeting".to_owned(),
            max_tokens: 50,
            ..ModelQuestion::default()
        });
        questions.push(("greeting".to_owned(), model));
    }
    let answers = context.ask(questions).await?;
    Ok(text(format!("{} answers", answers.len())))
}

/// What the newer protocol calls.
fn rounds(server: ToolServer) -> ToolServer {
    let server = asks(server, "test_input_required_result_elicitation", greet);
    let server = asks(server, "test_streaming_elicitation", greet);
    let server = asks(
        server,
        "test_input_required_result_sampling",
        |context| async move {
            let question = "What is the capital of France?";
            Ok(text(
                context.ask_model("capital_question", question, 100).await?,
            ))
        },
    );
    let server = asks(server, "test_missing_capability", |context| async move {
        Ok(text(context.ask_model("question", "Anything?", 10).await?))
    });
    let server = asks(
        server,
        "test_input_required_result_list_roots",
        |context| async move {
            let roots = context.ask_roots("client_roots").await?;
            Ok(text(format!("The roots are {}", roots.join(", "))))
        },
    );
    let server = asks(server, "test_input_required_result_request_state", confirm);
    let server = asks(server, "test_input_required_result_tampered_state", confirm);
    let server = asks(
        server,
        "test_input_required_result_multiple_inputs",
        three_questions,
    );
    let server = asks(server, "test_input_required_result_multi_round", two_rounds);
    asks(
        server,
        "test_input_required_result_capabilities",
        what_it_can,
    )
}
