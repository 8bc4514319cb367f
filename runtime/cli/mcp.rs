//! `ropewalk mcp`: the agents and graphs of this folder as tools, for any MCP client.

use ropewalk_serve::mcp;
use tokio_util::sync::CancellationToken;

use crate::Ending;
use crate::arguments::serving::ServeMcp;
use crate::progress::say;
use crate::serve::serve;
use crate::session::{Needs, Session};

pub(crate) async fn run(options: ServeMcp, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let session = Session::open(&options.means, false, Needs::ALL, &cancel).await?;
    let (tools, refused) = mcp::tools(&session.definitions(), &session.services);
    for definition in refused {
        say(&format!("warning: {definition}"));
    }
    let ending = serve(tools, options.serving, cancel).await;
    session.close().await;
    ending
}
