//! What a call tells its caller before it ends, sent in order.

#![expect(
    deprecated,
    reason = "clients that asked for log messages get them, though newer protocols have left them"
)]

use std::future::Future;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RequestContext};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::context::{Log, LogLevel};
use crate::progress::{Notice, Progress};

/// The way from one call to its caller.
pub(super) struct Line {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    /// Words quieter than this are not sent; none are without it.
    level: Option<LogLevel>,
    logger: String,
    sender: mpsc::UnboundedSender<Notice>,
    notices: mpsc::UnboundedReceiver<Notice>,
}

impl Line {
    pub(super) fn new(
        context: &RequestContext<RoleServer>,
        level: Option<LogLevel>,
        logger: &str,
    ) -> Self {
        let (sender, notices) = mpsc::unbounded_channel();
        Self {
            peer: context.peer.clone(),
            token: context.meta.get_progress_token(),
            level,
            logger: logger.to_owned(),
            sender,
            notices,
        }
    }

    pub(super) fn progress(&self) -> Progress {
        if self.token.is_some() {
            Progress::new(self.sender.clone())
        } else {
            Progress::default()
        }
    }

    pub(super) fn log(&self) -> Log {
        let Some(least) = self.level else {
            return Log::default();
        };
        let sender = self.sender.clone();
        Log(Some(Arc::new(move |level, words| {
            if level >= least {
                // A caller that went away is told through the cancellation token.
                let _ = sender.send(Notice::Word(level, words));
            }
        })))
    }

    /// Waits for the work, and sends what it tells on the way before giving its result.
    pub(super) async fn carry<T>(mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let result = loop {
            tokio::select! {
                biased;
                Some(notice) = self.notices.recv() => self.send(notice).await,
                result = &mut work => break result,
            }
        };
        while let Ok(notice) = self.notices.try_recv() {
            self.send(notice).await;
        }
        result
    }

    async fn send(&self, notice: Notice) {
        // A caller that left does not need to know.
        match notice {
            Notice::Report(report) => {
                let Some(token) = self.token.clone() else {
                    return;
                };
                let mut parameters = ProgressNotificationParam::new(token, report.done);
                parameters.total = report.total;
                parameters.message = Some(report.message);
                let _ = self.peer.notify_progress(parameters).await;
            }
            Notice::Word(level, words) => {
                let mut parameters =
                    LoggingMessageNotificationParam::new(said(level), Value::String(words));
                parameters.logger = Some(self.logger.clone());
                let _ = self.peer.notify_logging_message(parameters).await;
            }
        }
    }
}

fn said(level: LogLevel) -> LoggingLevel {
    match level {
        LogLevel::Debug => LoggingLevel::Debug,
        LogLevel::Info => LoggingLevel::Info,
        LogLevel::Warning => LoggingLevel::Warning,
        LogLevel::Error => LoggingLevel::Error,
    }
}

/// The quietest of our levels that is as loud as the one asked for.
pub(super) fn heard(level: LoggingLevel) -> LogLevel {
    match level {
        LoggingLevel::Debug => LogLevel::Debug,
        LoggingLevel::Info => LogLevel::Info,
        LoggingLevel::Notice | LoggingLevel::Warning => LogLevel::Warning,
        _ => LogLevel::Error,
    }
}
