//! `ropewalk servers`: the configured servers, leave to run them, and their authorization.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use anyhow::{Context, anyhow, bail};
use ropewalk_host::consent::{Approvals, CommandLine, Consent};
use ropewalk_host::{Endpoint, Host, ServerConfig, ServerState};

use crate::arguments::Setup;
use crate::arguments::guarding::Servers;
use crate::progress::print;
use crate::{Ending, configuration, desk};

pub(crate) async fn run(servers: Servers) -> anyhow::Result<Ending> {
    match servers {
        Servers::List { setup } => list(&setup).await,
        Servers::Trust { names, setup } => trust(&names, &setup).await,
        Servers::Login { name, setup } => login(&name, &setup).await,
    }
}

fn configured(setup: &Setup) -> anyhow::Result<BTreeMap<String, ServerConfig>> {
    Ok(configuration::load(setup)?.servers)
}

fn named<'a>(
    servers: &'a BTreeMap<String, ServerConfig>,
    name: &str,
) -> anyhow::Result<&'a ServerConfig> {
    servers.get(name).ok_or_else(|| {
        let known: Vec<&str> = servers.keys().map(String::as_str).collect();
        match known.is_empty() {
            true => anyhow!("there is no server `{name}`: none is configured"),
            false => anyhow!(
                "there is no server `{name}`; there are: {}",
                known.join(", ")
            ),
        }
    })
}

/// What is configured and whether it may run; nothing is started.
async fn list(setup: &Setup) -> anyhow::Result<Ending> {
    let approvals = desk::approvals(None);
    let servers = configured(setup)?;
    for (name, config) in &servers {
        let says = match (&config.url, CommandLine::of(name, config)) {
            _ if config.disabled => "disabled".to_owned(),
            (Some(url), _) => url.clone(),
            (None, Some(command)) => match approvals.may_run(&command).await {
                Ok(()) => format!("may run {command}"),
                Err(why) => format!("left out: {why}"),
            },
            (None, None) => "it has neither `command` nor `url`".to_owned(),
        };
        print(&format!("{name}: {says}"));
    }
    if servers.is_empty() {
        print("no servers are configured; see [servers.NAME] in ropewalk.toml, or .mcp.json");
    }
    Ok(Ending::Done)
}

/// Remembers that these may run as they are configured now.
async fn trust(names: &[String], setup: &Setup) -> anyhow::Result<Ending> {
    let servers = configured(setup)?;
    let approvals: Approvals = desk::approvals(None);
    for name in names {
        let config = named(&servers, name)?;
        let Some(command) = CommandLine::of(name, config) else {
            print(&format!(
                "{name}: it is reached by its address, nothing is run"
            ));
            continue;
        };
        approvals
            .approve(&command)
            .await
            .map_err(|why| anyhow!("{why}"))?;
        print(&format!("{name}: may run {command}"));
    }
    Ok(Ending::Done)
}

/// Connects to one server, and has the person at the terminal authorize that if it asks.
async fn login(name: &str, setup: &Setup) -> anyhow::Result<Ending> {
    let servers = configured(setup)?;
    let config = named(&servers, name)?.clone();
    let url = config
        .url
        .clone()
        .with_context(|| format!("server `{name}` has no `url`: there is nothing to sign in to"))?;
    if !std::io::stdin().is_terminal() {
        bail!("signing in to {url} needs a terminal; or set `bearer_env` of the server `{name}`");
    }
    let servers = vec![(name.to_owned(), Endpoint::Config(config))];
    let (host, failures) = Host::start(servers, desk::surroundings(false)).await;
    if let Some(failure) = failures.first() {
        bail!("{failure}");
    }
    for server in host.servers() {
        if server.state == ServerState::Up {
            print(&format!(
                "{name}: {} tools, MCP {}",
                server.tools, server.protocol
            ));
        }
    }
    host.shutdown().await;
    Ok(Ending::Done)
}
