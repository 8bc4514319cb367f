//! News of changes, brought to clients of either era.

use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, SubscriptionContext};
use tokio_util::sync::CancellationToken;

use crate::changes::{Change, News};
use crate::protocol::session::Watched;

/// Brings a subscriber of the newer protocol what it asked for, until it leaves.
pub(super) async fn subscriber(context: &SubscriptionContext, mut news: News) {
    let sink = context.sink();
    let wanted = context.accepted();
    let heard = |flag: Option<bool>| flag == Some(true);
    loop {
        let changes = tokio::select! {
            changes = news.next() => changes,
            () = context.cancelled() => return,
        };
        let Some(changes) = changes else { return };
        for change in changes {
            let sent = match change {
                Change::Tools if heard(wanted.tools_list_changed) => {
                    sink.notify_tool_list_changed().await
                }
                Change::Prompts if heard(wanted.prompts_list_changed) => {
                    sink.notify_prompt_list_changed().await
                }
                Change::Resources if heard(wanted.resources_list_changed) => {
                    sink.notify_resource_list_changed().await
                }
                Change::Resource(uri)
                    if wanted
                        .resource_subscriptions
                        .as_ref()
                        .is_some_and(|uris| uris.contains(&uri)) =>
                {
                    sink.notify_resource_updated(uri).await
                }
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// Brings the session of an older client everything it may want, until the session ends.
pub(super) async fn session(
    peer: Peer<RoleServer>,
    watched: Watched,
    ended: CancellationToken,
    mut news: News,
) {
    loop {
        let changes = tokio::select! {
            changes = news.next() => changes,
            () = ended.cancelled() => return,
        };
        let Some(changes) = changes else { return };
        for change in changes {
            let sent = match change {
                Change::Tools => peer.notify_tool_list_changed().await,
                Change::Prompts => peer.notify_prompt_list_changed().await,
                Change::Resources => peer.notify_resource_list_changed().await,
                Change::Resource(uri) if watched.has(&uri) => {
                    let parameters = ResourceUpdatedNotificationParam::new(uri);
                    peer.notify_resource_updated(parameters).await
                }
                Change::Resource(_) => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    }
}
