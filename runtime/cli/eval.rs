//! `ropewalk eval`: how well things work on data of one's own.

mod beir;
mod graph;
mod metrics;
mod retrieval;
mod sql;
mod tools;

use tokio_util::sync::CancellationToken;

use crate::Ending;
use crate::arguments::measuring::Eval;

pub(crate) async fn run(eval: Eval, cancel: CancellationToken) -> anyhow::Result<Ending> {
    match eval {
        Eval::Graph(options) => graph::run(options, cancel).await,
        Eval::Retrieval(options) => retrieval::run(options, cancel).await,
        Eval::Sql(options) => sql::run(options, cancel).await,
        Eval::Tools(options) => tools::run(options, cancel).await,
    }
}
