//! `ropewalk ingest`: files and folders into a collection.

use ropewalk_documents::chunk::ChunkSettings;
use ropewalk_documents::load::LoadLimits;
use ropewalk_vector::ingest::{IngestReport, IngestSettings, Ingestor};
use tokio_util::sync::CancellationToken;

use crate::arguments::Ingest;
use crate::progress::{self, print, say};
use crate::{Ending, configuration, workplace};

pub(crate) async fn run(options: Ingest, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let configuration = configuration::load(&options.setup)?;
    let store = workplace::store(&configuration.vector).await?;
    let embedder = workplace::embedder(&configuration.vector).await?;
    let settings = IngestSettings {
        collection: options.collection.clone(),
        globs: options.globs,
        chunks: ChunkSettings::default(),
        limits: LoadLimits {
            file_bytes: options.max_file_mib.saturating_mul(1 << 20),
            ..LoadLimits::default()
        },
    };
    let bar = progress::bar("ingesting");
    let report = Ingestor::new(store, embedder)
        .paths(&options.paths, &settings, &cancel, &|at| {
            progress::show(&bar, &at)
        })
        .await;
    bar.finish_and_clear();
    let report = report?;
    if options.json {
        let mut value = serde_json::to_value(&report)?;
        if let Some(map) = value.as_object_mut() {
            map.insert("collection".to_owned(), options.collection.into());
        }
        print(&value.to_string());
    } else {
        print(&summary(&report, &options.collection));
    }
    tell_failures(&report);
    Ok(if report.cancelled {
        say("interrupted: what is counted above is kept; run the same command again for the rest");
        Ending::Interrupted
    } else if report.failed.is_empty() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

fn summary(report: &IngestReport, collection: &str) -> String {
    format!(
        "{} written, {} unchanged, {} removed, {} failed, {} skipped; {} passages embedded; \
         `{collection}` holds {}",
        report.written,
        report.unchanged,
        report.removed,
        report.failed.len(),
        report.skipped,
        report.embedded,
        report.chunks
    )
}

/// One line for each file that failed.
pub(crate) fn tell_failures(report: &IngestReport) {
    for failed in &report.failed {
        say(&format!("failed: {}", failed.reason));
    }
}
