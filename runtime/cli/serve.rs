//! `ropewalk server`: one tool server alone, for any MCP client.

use std::num::NonZeroU32;

use anyhow::anyhow;
use ropewalk_mcp_kit::ToolServer;
use ropewalk_mcp_kit::http::{Access, HttpOptions, OAuth, Rate};
use ropewalk_sql::server::SqlServer;
use ropewalk_vector::server::VectorServer;
use tokio_util::sync::CancellationToken;

use crate::arguments::serving::{ServeSql, ServeVector, Serving};
use crate::progress::{print, say};
use crate::{Ending, configuration, databases, describing, workplace};

/// Requests a second from one caller that another machine may make, unless told otherwise.
const RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);

pub(crate) async fn vector(
    options: ServeVector,
    cancel: CancellationToken,
) -> anyhow::Result<Ending> {
    let configuration = configuration::load(&options.setup)?;
    let store = workplace::store(&configuration.vector).await?;
    let embedder = workplace::embedder(&configuration.vector).await?;
    let tools = VectorServer::new(store, embedder, &options.collection).tools();
    serve(tools, options.serving, cancel).await
}

pub(crate) async fn sql(options: ServeSql, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let configuration = configuration::load(&options.setup)?;
    let wanted = databases::wanted(&configuration, &options.databases)?;
    if let Some(statement) = options.check {
        return databases::check(wanted, &statement, &cancel).await;
    }
    let meanings = databases::meanings(&configuration.vector).await?;
    let catalogue = databases::open(wanted, meanings, &cancel).await?;
    if options.describe {
        let registry = configuration.engines(None)?;
        return describing::run(&catalogue, &registry, &cancel).await;
    }
    databases::warn(&catalogue).await;
    serve(SqlServer::new(catalogue).tools(), options.serving, cancel).await
}

/// Serves tools in the way that was asked for, until `cancel` fires.
pub(crate) async fn serve(
    tools: ToolServer,
    serving: Serving,
    cancel: CancellationToken,
) -> anyhow::Result<Ending> {
    if serving.doctor {
        return Ok(examine(&tools).await);
    }
    match http(serving)? {
        None => tools.serve_stdio(cancel).await?,
        Some(options) => {
            let listening = |address| say(&format!("listening on http://{address}/mcp"));
            tools.serve_http(options, listening, cancel).await?;
        }
    }
    Ok(Ending::Done)
}

async fn examine(tools: &ToolServer) -> Ending {
    let mut fit = true;
    for finding in tools.examine().await {
        let (mark, says) = match &finding.outcome {
            Ok(says) => ("ok    ", says),
            Err(says) => ("FAILED", says),
        };
        fit &= finding.outcome.is_ok();
        print(&format!("{mark} {}: {says}", finding.what));
    }
    if fit { Ending::Done } else { Ending::Failed }
}

fn http(serving: Serving) -> anyhow::Result<Option<HttpOptions>> {
    let Some(address) = serving.http else {
        return Ok(None);
    };
    let access = match (serving.bearer_env, serving.oauth_issuer) {
        (Some(variable), _) => {
            let token = std::env::var(&variable)
                .ok()
                .filter(|token| !token.is_empty());
            let token =
                token.ok_or_else(|| anyhow!("the environment variable {variable} is not set"))?;
            Access::Token(token)
        }
        (None, Some(issuer)) => Access::OAuth(OAuth {
            issuer,
            resource: serving.oauth_resource.unwrap_or_default(),
            scopes: serving.oauth_scopes,
            keys: serving.oauth_keys,
        }),
        (None, None) => Access::Open,
    };
    let local = address.ip().is_loopback();
    if matches!(access, Access::Open) && !local {
        return Err(anyhow!(
            "{address} can be reached from other machines: protect it with --bearer-env VARIABLE \
             or --oauth-issuer URL"
        ));
    }
    let rate = serving.rate.or((!local).then_some(RATE)).map(|rate| Rate {
        per_second: rate,
        burst: rate,
    });
    Ok(Some(HttpOptions {
        address,
        access,
        hosts: serving.hosts,
        origins: serving.origins,
        sessions: serving.sessions,
        rate,
    }))
}
