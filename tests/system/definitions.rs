//! What our servers' tools cost a model before it has done anything.

use ropewalk_core::tokens;
use ropewalk_core::tool::ToolSpec;

use crate::program::{Place, handshake};

/// Most tools that one server offers.
const MOST_TOOLS: usize = 6;
/// Most tokens that their definitions have: names, descriptions and parameters, as a model gets
/// them.
const MOST_TOKENS: u64 = 1_500;

/// The tool servers that the program knows, as its own help lists them.
fn servers() -> Vec<String> {
    let help = Place::new().run(&["server", "--help"]);
    let commands = help.out.split("Commands:\n").nth(1).unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    // Words that a long description wraps onto a line of their own are further in.
    let commands = commands.filter_map(|line| line.strip_prefix("  "));
    let names = commands.filter_map(|line| line.split(' ').next());
    let names = names.filter(|name| !name.is_empty());
    let names: Vec<String> = names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    assert!(names.contains(&"vector".to_owned()), "{help:?}");
    names
}

#[test]
fn the_definitions_of_every_server_are_few_and_short() {
    for server in servers() {
        let place = Place::new();
        let answer = handshake(place.command(&["server", &server]));
        let tools: Vec<ToolSpec> = answer["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| ToolSpec {
                name: tool["name"].as_str().unwrap().to_owned(),
                description: tool["description"].as_str().unwrap().to_owned(),
                input_schema: tool["inputSchema"].clone(),
                output_schema: None,
                hints: Default::default(),
            })
            .collect();
        let tokens = tokens::of_tools(&tools);
        assert!(
            tools.len() <= MOST_TOOLS,
            "{server} has {} tools",
            tools.len()
        );
        assert!(
            tokens <= MOST_TOKENS,
            "{server} has {tokens} tokens of definitions"
        );
        for tool in answer["tools"].as_array().unwrap() {
            assert!(
                tool["outputSchema"].is_object(),
                "{server}: {}",
                tool["name"]
            );
            assert!(
                tool["annotations"].is_object(),
                "{server}: {}",
                tool["name"]
            );
        }
        println!("{server}: {} tools, {tokens} tokens", tools.len());
    }
}
