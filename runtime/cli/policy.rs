//! `ropewalk policy`: rules of which calls run, and tools as they were approved.

use std::collections::BTreeSet;

use anyhow::{Context, anyhow, bail};
use ropewalk_core::digest::digest;
use ropewalk_core::policy::{Exposure, Judgement, Policy as Rules};
use ropewalk_core::tool::Permission;
use ropewalk_host::pins::PinStore;
use ropewalk_host::{Endpoint, Held, HeldBecause, Host};
use ropewalk_vector::server::VectorServer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::arguments::Setup;
use crate::arguments::guarding::{Explain, Policy};
use crate::configuration::{self, Configuration};
use crate::progress::{print, say};
use crate::{Ending, session, workplace};

/// Our own server, which needs no entry.
const OURS: &str = "vector";

pub(crate) async fn run(policy: Policy) -> anyhow::Result<Ending> {
    match policy {
        Policy::Check { json, setup } => check(json, &setup),
        Policy::Explain(options) => explain(options).await,
        Policy::Pins { server, json } => pins(server.as_deref(), json),
        Policy::Approve { tool, setup } => approve(&tool, &setup).await,
        Policy::Forget { server } => forget(&server),
    }
}

fn check(json: bool, setup: &Setup) -> anyhow::Result<Ending> {
    let configuration = configuration::without_rules(setup)?;
    let mut files = Vec::new();
    let mut sound = true;
    for path in configuration.policy.paths()? {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        let (rules, problem) = match Rules::parse(&text, &name) {
            Ok(rules) => (rules.len(), None),
            Err(error) => (0, Some(error.to_string())),
        };
        sound &= problem.is_none();
        if !json {
            match &problem {
                None => print(&format!(
                    "{name}: {rules} rules, and their examples come out as they say"
                )),
                Some(problem) => print(problem),
            }
        }
        files.push(json!({"file": name, "rules": rules, "problem": problem}));
    }
    if json {
        print(&json!({"ok": sound, "files": files}).to_string());
    } else if files.is_empty() {
        say("there are no rules; write some in policy/*.toml");
    }
    Ok(if sound { Ending::Done } else { Ending::Failed })
}

async fn explain(options: Explain) -> anyhow::Result<Ending> {
    let arguments: Value = serde_json::from_str(&options.arguments)
        .with_context(|| format!("the arguments `{}` are no JSON", options.arguments))?;
    if !arguments.is_object() {
        bail!("the arguments must be a JSON object, such as '{{\"query\": \"x\"}}'");
    }
    let configuration = configuration::load(&options.setup)?;
    let (server, tool) = named(&options.tool, &configuration)?;
    let tool = tool.with_context(|| format!("name a tool of `{server}`: {server}.TOOL"))?;
    let all = |names: &[String]| -> BTreeSet<String> { names.iter().cloned().collect() };
    let exposure = Exposure {
        untrusted: all(&options.untrusted),
        private: all(&options.private),
        suspect: all(&options.suspect),
    };
    let host = started(&server, &configuration).await?;
    let judgement = host.judge_at(&server, &tool, &arguments, &exposure);
    let told = judgement
        .ok_or_else(|| unknown(&host, &server, &tool))
        .map(|judgement| {
            let name = host
                .definition(&server, &tool)
                .map(|spec| spec.name.clone());
            let how = host.how_to_allow(&name.unwrap_or_default(), &judgement.verdict);
            tell(&options, &judgement, &how);
        });
    host.shutdown().await;
    told?;
    Ok(Ending::Done)
}

fn tell(options: &Explain, judgement: &Judgement, how: &str) {
    let verdict = &judgement.verdict;
    let how = match verdict.permission {
        Permission::Allow => None,
        Permission::Ask => Some(how.to_owned()),
        Permission::Deny => Some("change what denies it: a person's yes is not enough".to_owned()),
    };
    if options.json {
        let told = json!({
            "tool": options.tool,
            "permission": verdict.permission,
            "reasons": verdict.reasons,
            "to_allow": how,
            "reads": judgement.reads,
        });
        print(&told.to_string());
        return;
    }
    print(&format!("{}: {}", options.tool, verdict.permission));
    for reason in &verdict.reasons {
        print(&format!("  {reason}"));
    }
    if let Some(how) = how {
        print(&format!("to allow it: {how}"));
    }
    for (what, servers) in [
        ("text that nobody vouches for", &judgement.reads.untrusted),
        ("private data", &judgement.reads.private),
    ] {
        if !servers.is_empty() {
            print(&format!("whoever reads its result has read {what}"));
        }
    }
}

fn unknown(host: &Host, server: &str, tool: &str) -> anyhow::Error {
    let offered = host.tools();
    let names: Vec<String> = offered
        .iter()
        .filter_map(|spec| host.origin(&spec.name))
        .map(|origin| origin.name)
        .collect();
    anyhow!(
        "server `{server}` offers no tool `{tool}`; tools: {}",
        names.join(", ")
    )
}

/// A host with this server alone.
async fn started(server: &str, configuration: &Configuration) -> anyhow::Result<Host> {
    let endpoint = match configuration.servers.get(server) {
        Some(config) => Endpoint::Config(config.clone()),
        None => {
            let embedder = workplace::embedder(&configuration.vector).await?;
            let store = workplace::store(&configuration.vector).await?;
            let vector = VectorServer::new(store, embedder, "documents");
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            tokio::spawn(vector.tools().serve_io(theirs, CancellationToken::new()));
            Endpoint::BuiltIn(ours)
        }
    };
    let servers = vec![(server.to_owned(), endpoint)];
    let (host, failures) = Host::start(servers, session::surroundings(configuration, false)).await;
    match failures.into_iter().next() {
        Some(failure) => Err(failure.into()),
        None => Ok(host),
    }
}

/// `SERVER` or `SERVER.TOOL`: names of servers may have dots as well.
fn named(text: &str, configuration: &Configuration) -> anyhow::Result<(String, Option<String>)> {
    let known = configuration.servers.keys().map(String::as_str);
    let mut known: Vec<&str> = known.chain([OURS]).collect();
    known.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for server in &known {
        match text.strip_prefix(server) {
            Some("") => return Ok(((*server).to_owned(), None)),
            Some(rest) if rest.starts_with('.') => {
                let tool = rest.trim_start_matches('.').to_owned();
                return Ok(((*server).to_owned(), Some(tool)));
            }
            _ => {}
        }
    }
    known.sort_unstable();
    bail!("`{text}` names no server; servers: {}", known.join(", "))
}

fn pins(server: Option<&str>, json: bool) -> anyhow::Result<Ending> {
    let mut pins = PinStore::new(&workplace::pins()).read()?;
    if let Some(server) = server {
        pins.servers.retain(|name, _| name == server);
    }
    if json {
        print(&serde_json::to_string(&pins)?);
        return Ok(Ending::Done);
    }
    if pins.servers.is_empty() {
        say("nothing is pinned");
    }
    for (server, tools) in &pins.servers {
        for (tool, definition) in tools {
            print(&format!("{server}.{tool}  {}", digest(definition)));
        }
    }
    Ok(Ending::Done)
}

async fn approve(tool: &str, setup: &Setup) -> anyhow::Result<Ending> {
    let configuration = configuration::load(setup)?;
    let (server, tool) = named(tool, &configuration)?;
    if !configuration.servers.contains_key(&server) {
        bail!("`{server}` is Ropewalk's own; its tools need no approval");
    }
    let host = started(&server, &configuration).await?;
    let wanted = |held: &Held| tool.as_ref().is_none_or(|tool| *tool == held.tool);
    let held: Vec<Held> = host.held().into_iter().filter(wanted).collect();
    let missing = tool.filter(|tool| host.definition(&server, tool).is_none());
    let mut outcome = match missing {
        Some(tool) => Err(unknown(&host, &server, &tool)),
        None => Ok(()),
    };
    for held in &held {
        if outcome.is_ok() {
            print(&shown(&host, held));
            outcome = host
                .agree(&held.server, &held.tool)
                .map_err(|error| anyhow!(error));
        }
    }
    host.shutdown().await;
    outcome?;
    say(&match held.len() {
        0 => "nothing was held back; all is as it was approved".to_owned(),
        count => format!("{count} approved"),
    });
    Ok(Ending::Done)
}

/// What is approved: what changed, or all of a tool that is new.
fn shown(host: &Host, held: &Held) -> String {
    let name = format!("{}.{}", held.server, held.tool);
    match (&held.because, host.definition(&held.server, &held.tool)) {
        (HeldBecause::Changed { diff }, _) => format!("{name} changed:\n{diff}"),
        (_, Some(spec)) => {
            let text = json!({"description": spec.description, "input": spec.input_schema});
            let text = ropewalk_core::unseen::with_unseen_named(&format!("{text:#}"));
            format!("{name}:\n{text}")
        }
        (_, None) => name,
    }
}

fn forget(server: &str) -> anyhow::Result<Ending> {
    let known = PinStore::new(&workplace::pins()).change(|pins| pins.forget(server))?;
    if !known {
        bail!("nothing of `{server}` is pinned");
    }
    say(&format!("the tools of `{server}` are new again"));
    Ok(Ending::Done)
}
