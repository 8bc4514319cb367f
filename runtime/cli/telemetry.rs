//! What is said while the program runs: to standard error, and as traces to whoever collects them.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use ropewalk_core::secret;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How long the last traces may take on their way.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Standard error, without secrets: an event is written in one piece.
struct WithoutSecrets;

impl Write for WithoutSecrets {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let redacted = secret::redactor().redact(&text).into_owned();
        std::io::stderr().write_all(redacted.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Traces that are still on their way; they are sent before this is gone.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sets up what is said. Traces go nowhere unless an endpoint is configured.
    pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Self> {
        let provider = endpoint.map(provider).transpose()?;
        let filter = EnvFilter::try_from_env("ROPEWALK_LOG")
            .unwrap_or_else(|_| EnvFilter::new("error,rmcp=off"));
        let said = tracing_subscriber::fmt::layer()
            .with_writer(|| WithoutSecrets)
            .with_filter(filter);
        let traced = provider.as_ref().map(|provider| {
            let tracer = provider.tracer("ropewalk");
            // Our own spans: those of libraries would drown them.
            let ours = EnvFilter::new("off,ropewalk_engine=info,ropewalk=info");
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_filter(ours)
        });
        tracing_subscriber::registry()
            .with(said)
            .with(traced)
            .init();
        Ok(Self(provider))
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown_with_timeout(LAST_WORDS)
        {
            tracing::error!(%error, "the last traces were not sent");
        }
    }
}

fn provider(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&url)
        .build()
        .with_context(|| format!("traces cannot be sent to {endpoint}"))?;
    let service = Resource::builder().with_service_name("ropewalk").build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(service)
        .build())
}
