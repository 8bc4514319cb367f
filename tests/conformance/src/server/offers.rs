//! Resources, prompts and completions.

use ropewalk_mcp_kit::{
    Body, Completing, Content, PromptArgument, PromptArguments, PromptMessage, PromptMeta,
    ResourceContent, ResourceMeta, ToolServer,
};
use serde_json::json;

use super::tools::PICTURE;

fn resource(uri: &str, name: &str, mime_type: &str) -> ResourceMeta {
    ResourceMeta {
        uri: uri.to_owned(),
        name: name.to_owned(),
        description: format!("{name}, for tests."),
        mime_type: mime_type.to_owned(),
    }
}

fn prompt(name: &str, description: &str, arguments: &[&str]) -> PromptMeta {
    let argument = |name: &&str| PromptArgument {
        name: (*name).to_owned(),
        description: "For tests.".to_owned(),
        required: true,
    };
    PromptMeta {
        name: name.to_owned(),
        title: name.to_owned(),
        description: description.to_owned(),
        arguments: arguments.iter().map(argument).collect(),
    }
}

fn said(text: impl Into<String>) -> PromptMessage {
    PromptMessage::user(Content::text(text))
}

fn given<'a>(arguments: &'a PromptArguments, name: &str) -> &'a str {
    arguments.get(name).map_or("", String::as_str)
}

pub(super) fn add(server: ToolServer) -> ToolServer {
    let words = "This is the content of the static text resource.";
    server
        .resource(
            resource("test://static-text", "Static text", "text/plain"),
            move |_, _| async move { Ok(Body::Text(words.to_owned())) },
        )
        .resource(
            resource("test://static-binary", "Static bytes", "image/png"),
            |_, _| async { Ok(Body::Bytes(PICTURE.to_vec())) },
        )
        .resource(
            resource("test://watched-resource", "Watched", "text/plain"),
            |_, _| async { Ok(Body::Text("Watch this.".to_owned())) },
        )
        .resource(
            resource(
                "test://template/{id}/data",
                "Data of an id",
                "application/json",
            ),
            |values, _| async move {
                let id = values.get("id").cloned().unwrap_or_default();
                let data = format!("Data for ID: {id}");
                let text = json!({"id": id, "templateTest": true, "data": data}).to_string();
                Ok(Body::Text(text))
            },
        )
        .prompt(
            prompt("test_simple_prompt", "A prompt without arguments.", &[]),
            |_, _| async { Ok(vec![said("This is a simple prompt for testing.")]) },
        )
        .prompt(
            prompt(
                "test_prompt_with_arguments",
                "A prompt with two arguments.",
                &["arg1", "arg2"],
            ),
            |arguments: PromptArguments, _| async move {
                let (first, second) = (given(&arguments, "arg1"), given(&arguments, "arg2"));
                let words = format!("Prompt with arguments: arg1='{first}', arg2='{second}'");
                Ok(vec![said(words)])
            },
        )
        .prompt(
            prompt(
                "test_prompt_with_embedded_resource",
                "A prompt with a resource in it.",
                &["resourceUri"],
            ),
            |arguments: PromptArguments, _| async move {
                let resource = ResourceContent::text(
                    given(&arguments, "resourceUri"),
                    "text/plain",
                    "Embedded resource content for testing.",
                );
                Ok(vec![
                    PromptMessage::user(Content::Resource(resource)),
                    said("Please process the embedded resource above."),
                ])
            },
        )
        .prompt(
            prompt("test_prompt_with_image", "A prompt with a picture.", &[]),
            |_, _| async {
                Ok(vec![
                    PromptMessage::user(Content::image("image/png", PICTURE.to_vec())),
                    said("Please analyze the image above."),
                ])
            },
        )
        .completing(|what: Completing| async move {
            ["paris", "park", "party", "test", "testing"]
                .into_iter()
                .filter(|word| word.starts_with(&what.typed))
                .map(str::to_owned)
                .collect()
        })
}
