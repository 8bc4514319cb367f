//! Long calls as tasks (SEP-2663): the client is given a handle at once, and looks after it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, Task};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::asking;
use crate::context::{CallContext, Desk, Faculties, Log, Put, Way};
use crate::error::ToolError;
use crate::progress::{Notice, Progress, Report};

/// Tasks running at once.
const MAX_RUNNING: usize = 64;

/// How long a task may take, and how long its result is kept.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// How often a client does well to look.
const LOOK: Duration = Duration::from_millis(500);

/// The tasks of one server, each of use only to who began it.
#[derive(Clone, Default)]
pub(super) struct Tasks {
    manager: TaskManager,
    owners: Arc<Mutex<BTreeMap<String, Option<Arc<str>>>>>,
}

impl Tasks {
    /// Begins a task, unless too many are running.
    pub(super) fn begin<F>(
        &self,
        caller: Option<Arc<str>>,
        faculties: Faculties,
        work: impl FnOnce(CallContext) -> F + Send + 'static,
    ) -> Result<Task, ErrorData>
    where
        F: Future<Output = Result<CallToolResult, ToolError>> + Send + 'static,
    {
        if self.manager.running_task_count() >= MAX_RUNNING {
            let message = format!(
                "{MAX_RUNNING} tasks are running, which is as many as this server takes; wait for \
                 one, or cancel one"
            );
            return Err(ErrorData::internal_error(message, None));
        }
        let options = TaskOptions::new()
            .with_ttl_ms(millis(LASTS))
            .with_poll_interval_ms(millis(LOOK));
        let owner = caller.clone();
        let task = self.manager.spawn(options, move |task| {
            Box::pin(run(task, caller, faculties, work))
        });
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|id, _| self.manager.get_task(id).is_ok());
        owners.insert(task.task_id.clone(), owner);
        Ok(task)
    }

    /// The tasks, if this one is the caller's. Whose it is must not be learned by trying.
    pub(super) fn of(
        &self,
        id: &str,
        caller: Option<&Arc<str>>,
    ) -> Result<&TaskManager, ErrorData> {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        match owners.get(id) {
            Some(owner) if owner.as_ref() == caller => Ok(&self.manager),
            _ => Err(ErrorData::invalid_params(
                format!("there is no task `{id}`; it may have ended long ago"),
                None,
            )),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

async fn run<F>(
    task: TaskContext,
    caller: Option<Arc<str>>,
    faculties: Faculties,
    work: impl FnOnce(CallContext) -> F + Send,
) -> Result<CallToolResult, TaskExit>
where
    F: Future<Output = Result<CallToolResult, ToolError>> + Send,
{
    let cancel = CancellationToken::new();
    let (sender, mut notices) = mpsc::unbounded_channel();
    let context = CallContext {
        cancel: cancel.clone(),
        progress: Progress::new(sender),
        log: Log::default(),
        caller,
        desk: Desk {
            faculties,
            way: Way::Waiting(waiting(task.clone())),
        },
    };
    let work = work(context);
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            Some(notice) = notices.recv() => {
                if let Notice::Report(report) = notice {
                    task.set_status_message(status(&report));
                }
            }
            // The work is told, and ends as it sees fit.
            () = task.cancelled(), if !cancel.is_cancelled() => cancel.cancel(),
        }
    };
    match result {
        Ok(result) if result.is_error != Some(true) || !cancel.is_cancelled() => Ok(result),
        Ok(_) | Err(_) if cancel.is_cancelled() => Err(TaskExit::Cancelled),
        Ok(result) => Ok(result),
        Err(error) => Err(ErrorData::internal_error(error.to_string(), None).into()),
    }
}

fn status(report: &Report) -> String {
    match report.total {
        Some(total) => format!("{} of {total}: {}", report.done, report.message),
        None => format!("{}: {}", report.done, report.message),
    }
}

/// Asks through the task, each question under a name of its own.
fn waiting(task: TaskContext) -> Arc<Put> {
    Arc::new(move |name, question| {
        let task = task.clone();
        async move {
            let request = asking::request(question).map_err(|error| error.to_string())?;
            task.request_input(name, request)
                .await
                .map_err(|exit| match exit {
                    TaskExit::Cancelled => "the task was cancelled".to_owned(),
                    TaskExit::Error(error) => error.to_string(),
                })
        }
        .boxed()
    })
}
